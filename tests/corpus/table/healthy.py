"""Trainings that are well, whatever they look like."""

from __future__ import annotations

from tests.corpus.case import Case, InWorkDir, Stalls
from tests.corpus.table.metrics import LONG, MACL, STEEP
from tests.corpus.table.stalls import (
    DATASET,
    EVALUATOR,
    FINALIZER,
    HOOK,
    START_METHOD,
    TRANSFORM,
    WITH_BOXES,
)

UNHURRIED = ("--stall-timeout", "5m")
"""A lock that is held for 55 s by a process that sleeps is idle for longer than the other cases'
timeout. Only a proof could act on it before the default one."""

LOCKS_GIVEN_BACK = (
    *(
        Case(
            name=f"cache of a worker that {does}",
            cause="one worker holds a lock for 55 s, the others wait for it",
            healthy=True,
            words=UNHURRIED,
            options={
                DATASET: "CacheOfAWorker",
                "train_dataloader.dataset.how": how,
                "train_dataloader.num_workers": 3,
                "train_cfg.max_epochs": 1,
            },
        )
        for how, does in (("sleep", "sleeps"), ("read", "reads"), ("work", "computes"))
    ),
    Case(
        name="cache of a thread of main",
        cause="every worker waits for a lock that a sleeping thread of main holds for 55 s",
        healthy=True,
        words=UNHURRIED,
        options={DATASET: "CacheOfMain", "train_cfg.max_epochs": 1},
    ),
    Case(
        name="cache of another program",
        cause="every worker waits for the lock of a file that another program holds for 55 s",
        healthy=True,
        words=UNHURRIED,
        options={
            DATASET: "CacheInAFile",
            "train_dataloader.dataset.guard": InWorkDir("cache.lock"),
            "train_dataloader.dataset.outside": True,
            "train_cfg.max_epochs": 1,
        },
        actors=("build_a_cache",),
    ),
    Case(
        name="cache of rank 0",
        cause="a worker of rank 0 holds the lock of a file for 55 s, all others wait for it",
        healthy=True,
        config="ranks_cfg.py",
        words=(*UNHURRIED, "--nproc-per-node", "2"),
        options={
            DATASET: "CacheInAFile",
            "train_dataloader.dataset.guard": InWorkDir("cache.lock"),
            "train_cfg.max_epochs": 1,
        },
        twin="two ranks",
    ),
    Case(
        name="lock with a limit of time",
        cause="every worker waits for a lock for 55 s, and goes on without it",
        healthy=True,
        words=UNHURRIED,
        options={DATASET: "GivesUpWaiting", "train_cfg.max_epochs": 1},
    ),
)

CASES = (
    *LOCKS_GIVEN_BACK,
    Case(name="plain", cause="nothing", healthy=True),
    Case(
        name="slow data",
        cause="each sample comes late",
        healthy=True,
        options={
            "train_dataloader.dataset.seconds": Stalls(0.05),
            "train_cfg.max_epochs": 1,
        },
    ),
    Case(
        name="silent busy evaluation",
        cause="metrics are computed for longer than the stall timeout",
        expected=("DW104",),
        healthy=True,
        options={"val_evaluator.busy": Stalls(1.6), "train_cfg.max_epochs": 1},
    ),
    Case(
        name="evaluation in a pool",
        cause="metrics are computed in a pool of 4 processes",
        healthy=True,
        options={"val_evaluator.type": "PoolOfFour"},
    ),
    Case(
        name="operator compiled in a validation",
        cause="an operator is compiled for longer than the stall timeout",
        expected=("DW104",),
        healthy=True,
        options={
            EVALUATOR: "BuildsAnOperator",
            "val_evaluator.folder": InWorkDir("build"),
            "val_evaluator.compiling": Stalls(1.6),
        },
        needs=("ninja",),
    ),
    Case(
        name="operator compiled by another training",
        cause="another training compiles the operator that this one waits for",
        expected=("DW104",),
        healthy=True,
        options={
            EVALUATOR: "BuildsAnOperator",
            "val_evaluator.folder": InWorkDir("build"),
            "val_evaluator.behind": True,
        },
        actors=("build_beside",),
        needs=("ninja",),
    ),
    Case(
        name="a slow download",
        cause="weights come in small pieces for longer than the stall timeout",
        expected=("DW104",),
        healthy=True,
        options={"model.type": "DownloadsItsWeights", "model.folder": InWorkDir("")},
        actors=("serve_slowly",),
    ),
    Case(
        name="a worker that ends late",
        cause="the workers of a pass take most of the stall timeout to end",
        healthy=True,
        options={
            DATASET: "EndsLate",
            "train_dataloader.dataset.ending": Stalls(0.5),
            "train_dataloader.persistent_workers": False,
            "train_dataloader.num_workers": 1,
        },
    ),
    Case(
        name="a slow writer of events",
        cause="a slow disk takes longer than the stall timeout for an event of TensorBoard",
        expected=("DW104",),
        healthy=True,
        options={HOOK: "WritesEvents", "default_hooks.extra.slow": Stalls(1.6)},
        needs=("tensorboard",),
    ),
    Case(
        name="long spawn",
        cause="the dataset is pickled for longer than the stall timeout",
        expected=("DW117",),
        healthy=True,
        options={
            START_METHOD: "spawn",
            DATASET: "BigPickle",
            "train_dataloader.dataset.pickling": Stalls(0.8),
            "train_cfg.max_epochs": 1,
        },
        twin="spawned workers",
    ),
    Case(
        name="slow checkpoint",
        cause="a checkpoint is written to a slow disk",
        healthy=True,
        options={
            HOOK: "SlowCheckpoint",
            "default_hooks.extra.seconds": Stalls(1.6),
            "train_cfg.max_epochs": 1,
        },
    ),
    Case(
        name="long first iteration",
        cause="the first step is busy for longer than the stall timeout",
        healthy=True,
        options={"model.type": "LongFirstStep", "model.seconds": Stalls(1.6)},
    ),
    Case(
        name="log interval 500",
        cause="no line is logged for longer than the stall timeout",
        healthy=True,
        options={
            "default_hooks.logger.interval": 500,
            "model.pause": Stalls(0.07),
            "train_cfg.max_epochs": 1,
            "train_dataloader.dataset.length": 80,
        },
    ),
    Case(
        name="resumed by iterations",
        cause="the dataloader is advanced for longer than the stall timeout",
        healthy=True,
        config="iterations_cfg.py",
        words=("--resume",),
        prepare="half_a_training",
        options={"train_dataloader.dataset.busy": Stalls(0.05)},
        twin="iteration-based loop",
    ),
    Case(
        name="clock that jumps",
        cause="the wall clock is set forward by an hour",
        healthy=True,
        options={"model.pause": 0.4},
        environment={"PYTHONPATH": "{trainings}/jumping_clock"},
    ),
    Case(
        name="paused and continued",
        cause="the training is stopped for less than the stall timeout",
        healthy=True,
        options={"model.pause": 0.2},
        actors=("pause_training",),
    ),
    Case(
        name="dualwatch is paused",
        cause="dualwatch itself is stopped for longer than the stall timeout",
        healthy=True,
        options={"model.pause": 1.6},
        actors=("pause_dualwatch",),
    ),
    Case(
        name="laptop sleeps",
        cause="dualwatch and the training stand still for longer than the stall timeout",
        healthy=True,
        options={"model.pause": 0.2},
        actors=("pause_everything",),
    ),
    Case(
        name="another one hangs beside it",
        cause="a training beside it deadlocks",
        healthy=True,
        options={"model.pause": Stalls(0.12)},
        actors=("hang_beside",),
    ),
    Case(
        name="many files",
        cause="building the dataset reads small files for longer than the stall timeout",
        healthy=True,
        options={
            DATASET: "ManyFiles",
            "train_dataloader.dataset.reading": Stalls(1.6),
            "train_cfg.max_epochs": 1,
        },
    ),
    Case(
        name="harmless warnings",
        cause="errors that were dealt with are printed",
        healthy=True,
        words=MACL,
        options={"model.type": "HarmlessWarnings"},
    ),
    Case(
        name="one gradient spike",
        cause="one step has large gradients",
        healthy=True,
        words=MACL,
        options={**LONG, **STEEP, "model.once": True},
    ),
    Case(name="required metric", cause="nothing", healthy=True, words=MACL),
    Case(
        name="spawned workers",
        cause="nothing",
        healthy=True,
        options={START_METHOD: "spawn"},
    ),
    Case(
        name="finalizer, spawned workers",
        cause="what a finalizer in main would wait for is not in its workers",
        healthy=True,
        options={**FINALIZER, START_METHOD: "spawn"},
    ),
    Case(
        name="no workers",
        cause="nothing",
        healthy=True,
        options={"train_dataloader.num_workers": 0, "train_dataloader.persistent_workers": False},
    ),
    Case(
        name="workers anew in each epoch",
        cause="nothing",
        healthy=True,
        options={"train_dataloader.persistent_workers": False, "train_cfg.max_epochs": 5},
    ),
    Case(
        name="iteration-based loop",
        cause="nothing",
        healthy=True,
        config="iterations_cfg.py",
    ),
    Case(
        name="listed dataset",
        cause="nothing",
        healthy=True,
        config="listed_cfg.py",
        options={TRANSFORM: "ToPair"},
    ),
    Case(
        name="big samples",
        cause="nothing",
        healthy=True,
        options={DATASET: "BigSamples"},
    ),
    Case(
        name="many tensors",
        cause="nothing",
        healthy=True,
        options={DATASET: "ManyTensors"},
    ),
    Case(
        name="risky settings that go well",
        cause="several persistent workers read pairs",
        expected=("DW601",),
        healthy=True,
        options={START_METHOD: "spawn", "train_dataloader.dataset.return_modality_pair": True},
    ),
    Case(
        name="two ranks",
        cause="nothing",
        healthy=True,
        config="ranks_cfg.py",
        words=("--nproc-per-node", "2"),
    ),
    Case(
        name="an image without boxes, a loss of 0",
        cause="the batch of rank 1 is without boxes, and its losses are computed nevertheless",
        healthy=True,
        config="ranks_cfg.py",
        words=("--nproc-per-node", "2"),
        options={**WITH_BOXES, "model.zero": True},
    ),
    Case(
        name="one rank validates the model itself",
        cause="rank 0 validates alone, without the wrapper",
        healthy=True,
        config="ranks_cfg.py",
        words=("--nproc-per-node", "2"),
        options={HOOK: "ValidatesInRanks", "default_hooks.extra.unwrapped": True},
    ),
    Case(
        name="plain loop",
        cause="nothing",
        healthy=True,
        script="plain_loop.py",
    ),
    Case(
        name="demo",
        cause="nothing",
        healthy=True,
        script="",
        config="{root}/configs/demo/dualmacl_tiny_synthetic_2e.py",
        prepare="synthetic_pairs",
        needs=("mmdet",),
    ),
)
