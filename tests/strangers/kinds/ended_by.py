"""Kind B: shell, scheduler, launcher or runtime write who ended it."""

from __future__ import annotations

from tests.strangers.case import Case, Kind, dead, finished, open_end, pair
from tests.strangers.consoles import base
from tests.strangers.consoles.errors import elastic
from tests.strangers.consoles.mmcv import Mmcv
from tests.strangers.consoles.mmengine import HERE, Mmengine, begun

B = Kind.ENDED_BY


def old() -> Mmcv:
    return Mmcv().begin().whole(1, 1).epoch(2, upto=50)


def after(words: str) -> str:
    """A training that was cut short, and what was printed then."""
    return begun().raw(words).text


def after_old(words: str) -> str:
    return old().raw(words).text


def done_with(words: str) -> str:
    """The same words of another program, after a training that came to its end."""
    return Mmengine().begin().whole().raw(words).text


def dump_with(words: str, whole: bool = False) -> str:
    """The words are part of the configuration that the log holds."""
    console = Mmengine().begin(more=words)
    return (console.whole() if whole else console.whole(1, 1).epoch(2, upto=50)).text


WATCHDOG = """[rank3]:[E1112 04:11:09.118273645 ProcessGroupNCCL.cpp:616] [Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=48113, OpType=ALLREDUCE, NumelIn=2359296, NumelOut=2359296, Timeout(ms)=600000) ran for 600073 milliseconds before timing out.
[rank3]:[E1112 04:11:09.118501122 ProcessGroupNCCL.cpp:1785] [PG ID 0 PG GUID 0(default_pg) Rank 3] Exception (either an error or timeout) detected by watchdog at work: 48113, last enqueued NCCL work: 48115, last completed NCCL work: 48112.
[rank3]:[E1112 04:11:09.219911223 ProcessGroupNCCL.cpp:630] [Rank 3] Some NCCL operations have failed or timed out. Due to the asynchronous nature of CUDA kernels, subsequent GPU operations might run on corrupted/incomplete data.
[rank3]:[E1112 04:11:09.219934455 ProcessGroupNCCL.cpp:636] [Rank 3] To avoid data inconsistency, we are taking the entire process down."""

WATCHDOG_OLD = """[E ProcessGroupNCCL.cpp:737] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(OpType=ALLREDUCE, Timeout(ms)=1800000) ran for 1804406 milliseconds before timing out.
[E ProcessGroupNCCL.cpp:414] Some NCCL operations have failed or timed out. Due to the asynchronous nature of CUDA kernels, subsequent GPU operations might run on corrupted/incomplete data. To avoid this inconsistency, we are taking the entire process down."""

CASES: tuple[Case, ...] = (
    *pair(
        B,
        "Killed, from a script of bash",
        sick=lambda: after(
            "scripts/run_all.sh: line 14: 48213 Killed                  python tools/train.py configs/det/a.py --amp"
        ),
        truth=dead("DW501", place=HERE, facts=("48213|SIGKILL",)),
        sound=lambda: dump_with("metainfo = dict(classes=('Killed', 'Injured', 'Terminated'))\n"),
        health=open_end(place=HERE),
    ),
    *pair(
        B,
        "killed, from zsh",
        sick=lambda: after("zsh: killed     python tools/train.py configs/det/a.py"),
        truth=dead("DW501", place=HERE),
        sound=lambda: done_with("zsh: killed     tensorboard --logdir /exp/run"),
        health=finished(place=(3, 100)),
    ),
    *pair(
        B,
        "Killed, as job control reports it",
        sick=lambda: after_old(
            "[1]+  Killed                  nohup python tools/train.py configs/old/a.py > train.txt 2>&1"
        ),
        truth=dead("DW501", place=HERE),
        sound=lambda: after_old(
            "2023-02-08 11:20:00,001 - mmdet - INFO - load annotations of class Killed from /data/Killed/ann.json"
        ),
        health=open_end(place=HERE),
    ),
    *pair(
        B,
        "Killed, alone on the last line",
        sick=lambda: after_old("Killed"),
        truth=dead("DW501", place=HERE),
        sound=lambda: after_old(
            "+--------+-----+\n| class  | gts |\n+--------+-----+\n| Killed | 12  |\n+--------+-----+"
        ),
        health=open_end(place=HERE),
    ),
    *pair(
        B,
        "Terminated, from bash",
        sick=lambda: after("Terminated"),
        truth=dead("DW609", place=HERE),
        sound=lambda: after("03/04 10:12:00 - mmengine - INFO - Terminated samples: 0 of 1184"),
        health=open_end(place=HERE),
    ),
    *pair(
        B,
        "Segmentation fault, from bash",
        sick=lambda: after(
            "./dist_train.sh: line 20:  9931 Segmentation fault      (core dumped) python -m torch.distributed.launch tools/train.py"
        ),
        truth=dead("DW305", "DW606", place=HERE, untrue=("DW501",)),
        sound=lambda: done_with(
            "./dist_train.sh: line 31:  9977 Segmentation fault      (core dumped) python tools/plot.py"
        ),
        health=finished(place=(3, 100)),
    ),
    *pair(
        B,
        "Slurm: time limit",
        sick=lambda: after(
            "slurmstepd: error: *** JOB 7719301 ON gpu-a3 CANCELLED AT 2024-03-04T10:05:09 DUE TO TIME LIMIT ***"
        ),
        truth=dead("DW609", place=HERE, facts=("7719301|TIME LIMIT|time limit",)),
        sound=lambda: done_with(
            "slurmstepd: error: *** JOB 7719302 ON gpu-a3 CANCELLED AT 2024-03-04T18:05:09 DUE TO TIME LIMIT ***"
        ),
        health=finished(place=(3, 100)),
    ),
    *pair(
        B,
        "Slurm: preempted",
        sick=lambda: after_old(
            "slurmstepd: error: *** STEP 55120.0 ON n17 CANCELLED AT 2023-02-08T11:17:40 DUE TO PREEMPTION ***\nsrun: Job step aborted: Waiting up to 32 seconds for job step to finish."
        ),
        truth=dead("DW609", place=HERE, facts=("PREEMPTION|preempt\\w*",)),
        sound=lambda: old().text + "srun: job 55121 queued and waiting for resources\n",
        health=open_end(place=HERE),
    ),
    *pair(
        B,
        "Slurm: cancelled, labelled by rank",
        sick=lambda: (
            base.ranks(begun().text)
            + "srun: Job step aborted: Waiting up to 32 seconds for job step to finish.\nslurmstepd: error: *** STEP 90211.0 ON c4 CANCELLED AT 2024-03-04T10:09:10 ***\n"
        ),
        truth=dead("DW609", place=HERE),
        sound=lambda: base.ranks(begun().whole(2).text),
        health=finished(place=(3, 100)),
    ),
    *pair(
        B,
        "Slurm: killed for memory, then cancelled",
        sick=lambda: after(
            "slurmstepd: error: Detected 1 oom_kill event in StepId=4471.0. Some of the step tasks have been OOM Killed.\nsrun: error: c4: task 0: Out Of Memory\nslurmstepd: error: *** STEP 4471.0 ON c4 CANCELLED AT 2024-03-04T10:05:09 ***"
        ),
        truth=dead("DW501", place=HERE),
        sound=lambda: begun().whole(2).raw("slurmstepd: info: oom_kill events: 0").text,
        health=finished(place=(3, 100)),
    ),
    *pair(
        B,
        "torchrun: rank 2 was killed (-9)",
        sick=lambda: after(elastic(2, -9, "SIGKILL")),
        truth=dead("DW501", place=HERE, facts=("rank 2|SIGKILL|48213",)),
        sound=lambda: (
            begun()
            .whole(2)
            .raw(
                "[2024-03-04 12:00:00,004] torch.distributed.elastic.agent.server.api: [INFO] Done waiting for other agents. Elapsed: 0.0003 seconds"
            )
            .text
        ),
        health=finished(place=(3, 100)),
    ),
    *pair(
        B,
        "torchrun: rank 0 crashed (-11)",
        sick=lambda: after(elastic(0, -11, "SIGSEGV")),
        truth=dead("DW305", "DW606", place=HERE, facts=("SIGSEGV|-11|11",)),
        sound=lambda: begun().text,
        health=open_end(place=HERE),
    ),
    *pair(
        B,
        "NCCL watchdog, newer form, no traceback",
        sick=lambda: after(WATCHDOG),
        truth=dead("DW118", place=HERE, facts=("48113|ALLREDUCE|600073",)),
        sound=lambda: after(
            "[rank3]:[W1112 04:01:09.118273645 ProcessGroupNCCL.cpp:1250] Warning: WARNING: process group has NOT been destroyed before we destruct ProcessGroupNCCL."
        ),
        health=open_end(place=HERE),
    ),
    *pair(
        B,
        "NCCL watchdog, older form, no traceback (mmcv)",
        sick=lambda: after_old(WATCHDOG_OLD),
        truth=dead("DW118", place=HERE),
        sound=lambda: after_old("NCCL version 2.10.3+cuda11.3"),
        health=open_end(place=HERE),
    ),
    *pair(
        B,
        "docker compose: exited with code 137",
        sick=lambda: (
            "".join(f"trainer-1  | {line}\n" for line in begun().text.splitlines())
            + "trainer-1 exited with code 137\n"
        ),
        truth=dead("DW501", place=HERE, facts=("137|SIGKILL",)),
        sound=lambda: (
            "".join(f"trainer-1  | {line}\n" for line in begun().whole(2).text.splitlines())
            + "trainer-1 exited with code 0\n"
        ),
        health=finished(place=(3, 100)),
    ),
    *pair(
        B,
        "systemd: oom-kill",
        sick=lambda: after(
            "Mar 04 10:05:11 box systemd[1]: train.service: A process of this unit has been killed by the OOM killer.\nMar 04 10:05:12 box systemd[1]: train.service: Main process exited, code=killed, status=9/KILL\nMar 04 10:05:12 box systemd[1]: train.service: Failed with result 'oom-kill'."
        ),
        truth=dead("DW501", place=HERE),
        sound=lambda: done_with(
            "Mar 04 12:05:12 box systemd[1]: train.service: Deactivated successfully."
        ),
        health=finished(place=(3, 100)),
    ),
    *pair(
        B,
        "PBS: walltime exceeded",
        sick=lambda: after_old("=>> PBS: job killed: walltime 86437 exceeded limit 86400"),
        truth=dead("DW609", place=HERE, facts=("86400|walltime",)),
        sound=lambda: old().whole(2).text + "=>> PBS: job finished\n",
        health=finished(place=(3, 100)),
    ),
    *pair(
        B,
        "Hangup: the terminal was closed, torchrun",
        sick=lambda: after(
            "[2024-03-04 10:05:11,871] torch.distributed.elastic.agent.server.api: [WARNING] Received 1 death signal, shutting down workers\n[2024-03-04 10:05:11,872] torch.distributed.elastic.multiprocessing.api: [WARNING] Sending process 48213 closing signal SIGHUP"
        ),
        truth=dead("DW609", place=HERE, facts=("SIGHUP|1",)),
        sound=lambda: after("nohup: ignoring input and redirecting stderr to stdout"),
        health=open_end(place=HERE),
    ),
)
