"""Trainings that hang: in the loader, the dataset, a step, a save, a collective."""

from __future__ import annotations

from tests.corpus.case import Case, InWorkDir

DATASET = "train_dataloader.dataset.type"
TRANSFORM = "train_dataloader.dataset.pipeline.0.type"
SAMPLER = "train_dataloader.sampler.type"
START_METHOD = "env_cfg.mp_cfg.mp_start_method"
EVALUATOR = "val_evaluator.type"
HOOK = "default_hooks.extra.type"

FINALIZER = {
    DATASET: "LeavesAService",
    "train_dataloader.worker_init_fn.type": "collects_garbage",
}

DEADLOCKS = (
    Case(
        name="lock held while forking",
        provable=True,
        cause="a thread of main holds a lock while the workers are forked",
        expected=("DW111",),
        options={DATASET: "LockHeldWhileForking"},
    ),
    Case(
        name="lock held only while forking",
        provable=True,
        cause="a thread of main holds a lock while the workers are forked, and gives it back",
        expected=("DW111",),
        options={DATASET: "LockHeldWhileForking", "train_dataloader.dataset.held": 12.0},
    ),
    Case(
        name="OpenMP after fork",
        provable=True,
        cause="the workers inherit OpenMP threads that do not exist",
        expected=("DW111",),
        options={DATASET: "ThreadsAfterFork"},
        environment={"OMP_NUM_THREADS": "2"},
    ),
    Case(
        name="finalizer in a forked worker",
        cause="a worker collects an object of main whose end waits for a thread of main",
        expected=("DW111",),
        options=FINALIZER,
        twin="finalizer, spawned workers",
    ),
    Case(
        name="lock cycle of spawned workers",
        provable=True,
        cause="two spawned workers take two locks in opposite orders",
        expected=("DW111",),
        options={START_METHOD: "spawn", DATASET: "LocksInBadOrder"},
        twin="spawned workers",
    ),
    Case(
        name="lock cycle of forked workers",
        provable=True,
        cause="two forked workers take two locks in opposite orders",
        expected=("DW111",),
        options={DATASET: "LocksInBadOrder", "train_dataloader.dataset.start_method": "fork"},
    ),
    Case(
        name="lock cycle of two files",
        provable=True,
        cause="two workers lock two files in opposite orders",
        expected=("DW111",),
        options={DATASET: "FileLocksInBadOrder"},
    ),
    Case(
        name="lock in a validation worker",
        provable=True,
        cause="the workers of the validation wait for a lock that main held",
        expected=("DW111",),
        options={
            "val_dataloader.dataset.type": "LockHeldWhileForking",
            "val_dataloader.num_workers": 2,
        },
    ),
    Case(
        name="demo deadlock",
        provable=True,
        cause="the demo's workers hold the lock that the other one waits for",
        expected=("DW111",),
        script="",
        config="{root}/configs/demo/dualmacl_tiny_synthetic_2e_deadlock.py",
        prepare="synthetic_pairs",
        options={"train_dataloader.dataset.dataset.pipeline.0.after_samples": 12},
        needs=("mmdet",),
        twin="demo",
    ),
)

DATASETS = (
    Case(
        name="dataset list sleeps",
        cause="load_data_list waits for ever",
        expected=("DW113",),
        config="listed_cfg.py",
        options={DATASET: "ListSleeps"},
        twin="listed dataset",
    ),
    Case(
        name="dataset list loops",
        cause="load_data_list parses for ever",
        expected=("DW113",),
        config="listed_cfg.py",
        options={DATASET: "ListLoops"},
        twin="listed dataset",
    ),
    Case(
        name="dataset list at a lock",
        cause="load_data_list asks for a lock that it holds",
        expected=("DW113",),
        config="listed_cfg.py",
        options={DATASET: "ListAtALock"},
        twin="listed dataset",
    ),
    Case(
        name="transform loops",
        cause="a transform of one worker never ends, at full CPU",
        expected=("DW112",),
        config="listed_cfg.py",
        options={TRANSFORM: "LoopsForEver"},
        twin="listed dataset",
    ),
    Case(
        name="transform sleeps",
        cause="a transform of one worker sleeps for ever",
        expected=("DW112",),
        config="listed_cfg.py",
        options={TRANSFORM: "SleepsForEver"},
        twin="listed dataset",
    ),
    Case(
        name="transform reads a pipe",
        cause="a transform of one worker reads a pipe that nobody writes to",
        expected=("DW112",),
        config="listed_cfg.py",
        options={TRANSFORM: "ReadsAPipe"},
        twin="listed dataset",
    ),
    Case(
        name="worker in disk sleep",
        cause="a worker waits in the kernel, uninterruptibly",
        expected=("DW116",),
        config="listed_cfg.py",
        options={TRANSFORM: "StuckInTheKernel"},
        twin="listed dataset",
    ),
)

STEPS = (
    Case(
        name="sampler never yields",
        cause="the sampler loops in main",
        expected=("DW114",),
        options={SAMPLER: "NeverYields"},
    ),
    Case(
        name="forward loops",
        cause="forward never ends, at full CPU",
        expected=("DW114",),
        options={"model.type": "LoopsInForward"},
    ),
    Case(
        name="forward sleeps",
        cause="forward waits for ever",
        expected=("DW114",),
        options={"model.type": "SleepsInForward"},
    ),
    Case(
        name="native code holds the GIL",
        cause="a call of native code never returns, and no Python code can run",
        expected=("DW114",),
        options={"model.type": "HoldsTheGil"},
    ),
    Case(
        name="optimizer step sleeps",
        cause="the optimizer's step waits for ever",
        expected=("DW114",),
        options={"optim_wrapper.optimizer.type": "SleepsInStep"},
    ),
    Case(
        name="hook sleeps",
        cause="a hook after an iteration waits for ever",
        expected=("DW114",),
        options={HOOK: "SleepsInHook"},
    ),
    Case(
        name="dataset sleeps in main",
        cause="a transform sleeps for ever, without workers",
        expected=("DW112", "DW114"),
        config="listed_cfg.py",
        options={
            TRANSFORM: "SleepsForEver",
            "train_dataloader.num_workers": 0,
            "train_dataloader.persistent_workers": False,
        },
        twin="no workers",
    ),
    Case(
        name="main in disk sleep",
        cause="main waits in the kernel, uninterruptibly",
        expected=("DW116",),
        options={"model.type": "StuckInTheKernelInForward"},
    ),
    Case(
        name="weights never come",
        cause="loading the weights to begin with waits for ever",
        expected=("DW101",),
        options={"model.type": "NeverLoads", "load_from": InWorkDir("pretrained.pth")},
        prepare="pretrained",
    ),
    Case(
        name="checkpoint goes to a pipe",
        cause="a checkpoint is never written to its end",
        expected=("DW105",),
        prepare="checkpoint_is_a_pipe",
        twin="slow checkpoint",
    ),
    Case(
        name="metrics are never computed",
        cause="the evaluation waits for a server",
        expected=("DW103",),
        options={"val_evaluator.type": "NeverComputed"},
        twin="silent busy evaluation",
    ),
    Case(
        name="a process of the evaluation's pool is killed",
        provable=True,
        cause="the pool of the metric lost a task with its process and waits for it",
        expected=("DW119",),
        options={"val_evaluator.type": "PoolOfFour", "val_evaluator.lost": 1},
        twin="evaluation in a pool",
    ),
    Case(
        name="the evaluation's pool is blocked",
        cause="the processes of the metric's pool wait for ever",
        expected=("DW119",),
        options={"val_evaluator.type": "PoolOfFour", "val_evaluator.blocked": True},
        twin="evaluation in a pool",
    ),
    Case(
        name="a batch is lost",
        provable=True,
        cause="a batch never reaches main, and every worker waits for work",
        expected=("DW124",),
        options={HOOK: "TakesABatch"},
    ),
    Case(
        name="the lock of a killed build",
        cause="an operator's build waits for a lock whose owner was killed",
        expected=("DW121",),
        options={EVALUATOR: "BuildsAnOperator", "val_evaluator.folder": InWorkDir("build")},
        prepare="killed_build",
        twin="operator compiled in a validation",
    ),
    Case(
        name="a download that stops",
        cause="a server sends half of the weights, and then nothing",
        expected=("DW122",),
        options={"model.type": "DownloadsItsWeights", "model.folder": InWorkDir("")},
        actors=("serve_half",),
        twin="a slow download",
    ),
    Case(
        name="a worker does not end",
        cause="the workers of a pass that is over hang in a finalizer",
        expected=("DW123",),
        options={
            DATASET: "EndsLate",
            "train_dataloader.persistent_workers": False,
            "train_dataloader.num_workers": 1,
        },
        twin="a worker that ends late",
    ),
    Case(
        name="a writer of events is gone",
        cause="the thread that writes TensorBoard's events died, and its queue is full",
        expected=("DW125",),
        options={HOOK: "WritesEvents", "default_hooks.extra.dies": True},
        needs=("tensorboard",),
        twin="a slow writer of events",
    ),
    Case(
        name="plain loop hangs",
        cause="a loop without mmengine waits for ever",
        expected=("DW102", "DW114"),
        script="plain_loop.py",
        words=("--", "--hang-at", "12"),
        twin="plain loop",
    ),
)

STOPPED = (
    Case(
        name="main is stopped",
        cause="somebody stopped the main process",
        expected=("DW115",),
        options={"model.pause": 0.1},
        actors=("stop_main",),
        ends="finding",
    ),
    Case(
        name="worker is stopped",
        provable=True,
        cause="somebody stopped a loader worker",
        expected=("DW115",),
        options={"model.pause": 0.2, "train_dataloader.dataset.length": 400},
        actors=("stop_a_worker",),
        ends="finding",
    ),
)

WITH_BOXES = {
    DATASET: "WithBoxes",
    "train_dataloader.collate_fn.type": "collate_boxes",
    "train_dataloader.batch_size": 1,
    "model.type": "SkipsWithoutBoxes",
}

RANKS = (
    Case(
        name="a rank is short of data",
        cause="rank 1 has fewer batches and waits elsewhere",
        expected=("DW118",),
        config="ranks_cfg.py",
        words=("--nproc-per-node", "2"),
        options={SAMPLER: "AsManyAsTold", "train_dataloader.sampler.steps": "5,3"},
        twin="two ranks",
    ),
    Case(
        name="a rank is short of data, with time-out",
        cause="the same, and gloo gives up waiting",
        expected=("DW118",),
        config="ranks_cfg.py",
        words=("--nproc-per-node", "2"),
        options={
            SAMPLER: "AsManyAsTold",
            "train_dataloader.sampler.steps": "5,3",
            "collective_timeout": 3,
        },
        twin="two ranks",
    ),
    Case(
        name="an image without boxes",
        cause="rank 1 skips the backward pass for a batch without boxes",
        expected=("DW118",),
        config="ranks_cfg.py",
        words=("--nproc-per-node", "2"),
        options=WITH_BOXES,
        twin="an image without boxes, a loss of 0",
    ),
    Case(
        name="one rank validates the wrapped model",
        cause="rank 0 validates alone, and the forward pass sends buffers to rank 1",
        expected=("DW118",),
        config="ranks_cfg.py",
        words=("--nproc-per-node", "2"),
        options={HOOK: "ValidatesInRanks"},
        twin="one rank validates the model itself",
    ),
    Case(
        name="a rank sleeps",
        cause="rank 1 waits for something else, rank 0 for rank 1",
        expected=("DW118",),
        config="ranks_cfg.py",
        words=("--nproc-per-node", "2"),
        options={"model.type": "OneRankSleeps"},
        twin="two ranks",
    ),
)

CASES = (*DEADLOCKS, *DATASETS, *STEPS, *STOPPED, *RANKS)
