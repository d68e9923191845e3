"""Trainings that die of a worker, of memory, of the disk, of an error, and what they leave."""

from __future__ import annotations

from tests.corpus.case import Case, InWorkDir
from tests.corpus.table.stalls import DATASET, HOOK, START_METHOD, TRANSFORM

MODEL = "model.type"

WORKERS = (
    Case(
        name="worker kills itself",
        cause="SIGKILL of a worker while it loads a sample",
        expected=("DW301",),
        options={DATASET: "KilledWorker"},
    ),
    Case(
        name="worker is killed",
        cause="SIGKILL of a worker from outside",
        expected=("DW301",),
        options={"model.pause": 0.2, "train_dataloader.dataset.length": 400},
        actors=("kill_a_worker",),
    ),
    Case(
        name="worker reads address zero",
        cause="segmentation fault of a worker",
        expected=("DW305",),
        options={DATASET: "CrashingWorker"},
    ),
    Case(
        name="worker exits",
        cause="native code of a worker ends its process",
        expected=("DW305",),
        options={DATASET: "ExitingWorker"},
    ),
    Case(
        name="worker dies with its batch",
        cause="SIGKILL of a worker whose batch main is about to fetch",
        # That it was killed, and not by itself, cannot always be seen.
        expected=("DW301", "DW305"),
        options={"train_dataloader.collate_fn.type": "collate_and_leave"},
    ),
    Case(
        name="spawn without main guard",
        cause="the script trains when it is merely imported",
        expected=("DW304",),
        script="train_without_guard.py",
        options={START_METHOD: "spawn"},
        twin="spawned workers",
    ),
    Case(
        name="dataset holds a lock",
        cause="the dataset cannot be pickled: a lock",
        expected=("DW304",),
        options={START_METHOD: "spawn", DATASET: "HoldsALock"},
        twin="spawned workers",
    ),
    Case(
        name="dataset holds a local function",
        cause="the dataset cannot be pickled: a function of a function",
        expected=("DW304",),
        options={START_METHOD: "spawn", DATASET: "HoldsALocalFunction"},
        twin="spawned workers",
    ),
    Case(
        name="no paging file",
        cause="Windows has no memory for another worker",
        expected=("DW304",),
        options={START_METHOD: "spawn", DATASET: "NoPagingFile"},
        twin="spawned workers",
    ),
    Case(
        name="no paging file, in Chinese",
        cause="the same in the words of a Chinese Windows",
        expected=("DW304",),
        options={
            START_METHOD: "spawn",
            DATASET: "NoPagingFile",
            "train_dataloader.dataset.language": "zh",
        },
        twin="spawned workers",
    ),
    Case(
        name="/dev/shm is small",
        cause="the workers' batches do not fit into shared memory",
        expected=("DW302",),
        options={DATASET: "BigSamples"},
        mounts={"/dev/shm": "20m"},
        twin="big samples",
    ),
    Case(
        name="files are never closed",
        cause="the dataset opens a file for each sample and keeps it",
        expected=("DW303",),
        options={
            DATASET: "NeverCloses",
            "train_dataloader.dataset.length": 256,
            "limits.NOFILE": 64,
        },
    ),
    Case(
        name="many tensors, few descriptors",
        cause="each tensor of a batch takes a descriptor",
        expected=("DW303",),
        options={DATASET: "ManyTensors", "limits.NOFILE": 60},
        twin="many tensors",
    ),
    Case(
        name="orphan of an earlier run",
        cause="a worker of a run that was killed is still alive",
        expected=("DW311",),
        options={
            DATASET: "SlowestSampleOnce",
            "train_dataloader.dataset.sign": InWorkDir("sign"),
        },
        actors=("lose_an_earlier_run",),
    ),
)

DATA = (
    Case(
        name="broken sample in a worker",
        cause="an exception of the dataset in a worker",
        expected=("DW306",),
        options={DATASET: "BrokenSample"},
    ),
    Case(
        name="broken sample without workers",
        cause="an exception of the dataset in main",
        expected=("DW306",),
        options={
            DATASET: "BrokenSample",
            "train_dataloader.num_workers": 0,
            "train_dataloader.persistent_workers": False,
        },
        twin="no workers",
    ),
    Case(
        name="transform raises",
        cause="an exception of a transform in a worker",
        expected=("DW306",),
        config="listed_cfg.py",
        options={TRANSFORM: "Raises"},
        twin="listed dataset",
    ),
    Case(
        name="pipeline returns None",
        cause="every sample is filtered away",
        expected=("DW307",),
        config="listed_cfg.py",
        options={TRANSFORM: "ReturnsNone"},
        twin="listed dataset",
    ),
)

MACHINE = (
    Case(
        name="main is killed",
        cause="SIGKILL of main from outside",
        expected=("DW609",),
        options={"model.pause": 0.2},
        actors=("kill_main",),
    ),
    Case(
        name="main exits",
        cause="native code ends main without a word",
        expected=("DW606",),
        options={HOOK: "ExitsInHook"},
    ),
    Case(
        name="main reads address zero",
        cause="segmentation fault of main",
        expected=("DW606",),
        options={HOOK: "CrashesInHook"},
    ),
    Case(
        name="no memory for a tensor",
        cause="torch cannot allocate on the host",
        expected=("DW501",),
        options={MODEL: "OutOfHostMemory"},
    ),
    Case(
        name="no memory for a sample",
        cause="MemoryError in a worker",
        expected=("DW501",),
        options={DATASET: "FillsMemory"},
    ),
    Case(
        name="no room for checkpoints",
        cause="the disk of the checkpoints is full",
        expected=("DW502",),
        options={
            HOOK: "FillsCheckpoints",
            "default_hooks.checkpoint.out_dir": InWorkDir("checkpoints"),
        },
        mounts={InWorkDir("checkpoints"): "3m"},
    ),
    Case(
        name="no room in the work dir",
        cause="the disk of the work dir is full, that of the journal with it",
        expected=("DW502",),
        options={HOOK: "FillsCheckpoints"},
        mounts={InWorkDir(""): "3m"},
    ),
    Case(
        name="console of code page gbk",
        cause="the console cannot show a character that is printed",
        expected=("DW503",),
        options={MODEL: "PrintsATick"},
        environment={"PYTHONIOENCODING": "gbk"},
    ),
    Case(
        name="CUDA out of memory",
        cause="the device is full",
        expected=("DW401",),
        options={MODEL: "OutOfCudaMemory"},
    ),
    Case(
        name="GPU lost",
        cause="the device fell off the bus",
        expected=("DW403",),
        options={MODEL: "LosesTheGpu"},
    ),
)

SETUP = (
    Case(
        name="a label beyond the classes",
        cause="a label is the number of classes",
        expected=("DW308",),
        options={MODEL: "LabelBeyondTheClasses"},
    ),
    Case(
        name="no more threads",
        cause="the user may have no further process or thread",
        expected=("DW304",),
        options={HOOK: "StartsAThread"},
    ),
    Case(
        name="the port is taken",
        cause="another process listens at the port of the ranks' meeting point",
        expected=("DW608",),
        options={HOOK: "MeetsAtAPort"},
    ),
    Case(
        name="forward raises",
        cause="an error of the user's own code",
        expected=("DW606",),
        options={MODEL: "RaisesInForward"},
    ),
    Case(
        name="a rank raises",
        cause="an error of rank 1, whose peer only loses the connection",
        expected=("DW606",),
        config="ranks_cfg.py",
        words=("--nproc-per-node", "2"),
        options={MODEL: "OneRankFails"},
        twin="two ranks",
    ),
    Case(
        name="foreign class in the checkpoint",
        cause="torch refuses to load a class that nobody declared safe",
        expected=("DW605",),
        words=("--resume",),
        prepare="foreign_class",
        twin="resumed by iterations",
    ),
    Case(
        name="checkpoint is cut",
        cause="the checkpoint was never written to its end",
        expected=("DW605",),
        words=("--resume",),
        prepare="cut_checkpoint",
        twin="resumed by iterations",
    ),
    Case(
        name="configuration is broken",
        cause="a name of the configuration is not defined",
        expected=("DW602",),
        config="broken_cfg.py",
    ),
    Case(
        name="data is not there",
        cause="the configuration names a folder that does not exist",
        expected=("DW603",),
        config="absent_data_cfg.py",
        twin="listed dataset",
    ),
    Case(
        name="a pair is missing",
        cause="an infrared image of the demo's data is not there",
        expected=("DW604",),
        script="",
        config="{root}/configs/demo/dualmacl_tiny_synthetic_2e.py",
        prepare="a_pair_is_missing",
        needs=("mmdet",),
        twin="demo",
    ),
    Case(
        name="TensorBoard dies",
        cause="TensorBoard is killed while the training goes on",
        expected=("DW801",),
        options={"model.pause": 0.2},
        words=("--tensorboard", "--port", "16006"),
        actors=("kill_tensorboard",),
        needs=("tensorboard",),
    ),
    Case(
        name="nothing is written for TensorBoard",
        cause="a curve is required, and the visualizer has no backend that writes event files",
        expected=("DW802",),
        options={"model.pause": 0.2},
        words=("--tensorboard", "--port", "16007", "--require", "loss"),
        twin="required metric",
        needs=("tensorboard",),
    ),
)

CASES = (*WORKERS, *DATA, *MACHINE, *SETUP)
