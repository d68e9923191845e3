"""Accounts and machines that a log itself names are replaced wherever they occur."""

from __future__ import annotations

import pytest
from dualwatch.report.bundle.redaction import Redactor

# A text, and what must not be left of it.
NAMED = [
    ("Start running, host: mia@dl-box-3, work_dir: /w/a", ("mia", "dl-box-3")),
    ("saved by root@stor-2 in /w", ("stor-2",)),
    ("mia@dl-box-3:~/det$ nohup python train.py &", ("mia", "dl-box-3")),
    ("(base) [mia@login02 det]$ sbatch a.sh", ("mia", "login02")),
    ("root@0a1b2c3d4e5f:/workspace# ls", ("0a1b2c3d4e5f",)),
    ("主机: 王芳@srv-lab-9", ("王芳", "srv-lab-9")),
    ("ssh noa@vm-31 nvidia-smi", ("noa", "vm-31")),
    ("scp a.pth noa@10.9.8.7:/x", ("noa", "10.9.8.7")),
    ("slurmstepd: error: *** JOB 81 ON cn-12 CANCELLED AT 2024-05-06T07:08:09 ***", ("cn-12",)),
    ("slurmstepd: error: *** STEP 8.0 ON hgx[01-03] CANCELLED AT 2024-05-06T07:08:09 DUE TO "
     "TIME LIMIT ***", ("hgx[",)),
    ("srun: error: cn-13: task 3: Out Of Memory", ("cn-13",)),
    ("process rank 1 with PID 9 on node comp-4 exited on signal 9", ("comp-4",)),
    ("[comp-5:4242] *** Process received signal ***", ("comp-5",)),
    ("May  6 07:08:09 comp-6 kernel: Out of memory: Killed process 9", ("comp-6",)),
    ("Linux comp-7 5.15.0-91-generic #101-Ubuntu SMP", ("comp-7",)),
    ("trying to connect to (head-0, 29500).", ("head-0",)),
    ("  host      : wk-8.lab.local", ("wk-8",)),
    (r"\\nas-4\share\kaist", ("nas-4",)),
    (r"data_root='\\\\nas-4\\share\\kaist'", ("nas-4",)),
    ("wandb: Currently logged in as: zoe_k (team-x9).", ("zoe_k", "team-x9")),
    ("View run at https://wandb.ai/zoe_k/det/runs/1", ("zoe_k",)),
    ("/home2/lea/w /homes/max/w /media/ida/Disk", ("lea", "max", "ida")),
    (r"C:\Documents and Settings\Tim Ott\w", ("Tim", "Ott")),
    ("user: kim77", ("kim77",)),
    ("wandb_v1_Zz9Yy8Xx7Ww6Vv5Uu4Tt3Ss2", ("Zz9Yy8",)),
]  # fmt: skip

ORDINARY = [
    "Acc@1: 70.3  mAP@0.5: 0.61  mAP@[0.5:0.95]: 0.43  hits@k  AP@IoU=0.50  best@12",
    "classes=('person', 'node', 'host', 'user'), num_classes=4, user: None",
    "python@3.9 torch@main git@github.com:open/x.git pip install git+https://github.com/o/x@main",
    "[>>>>    ] 100/1000, 20.0 task/s, elapsed: 5s, ETA:    45s",
    "Running on the GPU; node 0 of 1; hosts: 2; sent to main; saved by hook; on device cuda:0",
    r"data\home\train, C:\data\train, \d+ \n \t",
    "Linux is required; Linux kernel 5.15",
    "slurmstepd: error: Detected 1 oom_kill event in StepId=81.0.",
]


@pytest.mark.parametrize(("text", "names"), NAMED)
def test_what_a_text_names_is_replaced(text: str, names: tuple[str, ...]) -> None:
    clean = Redactor({}).text(text)
    assert not [name for name in names if name in clean]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    redactor = Redactor({})
    redactor.learn(text)
    assert redactor.text(text) == text


def test_a_name_that_was_learnt_is_replaced_everywhere() -> None:
    redactor = Redactor({})
    redactor.learn("Start running, host: mia@dl-box-3, work_dir: /w\nON hgx[01-03] ")
    redactor.learn("*** JOB 81 ON hgx[01-03] CANCELLED AT 2024-05-06T07:08:09 ***")
    clean = redactor.text("mia's job: dl-box-3, DL-BOX-3.cluster.uni.edu, hgx02, hgx04; mialoss")
    assert clean == "<user-1>'s job: <host-1>, <host-1>, <host-2>, hgx04; mialoss"
