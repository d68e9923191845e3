"""Trainings without a configuration: twelve faults, as a plain loop and by Lightning."""

from __future__ import annotations

from dataclasses import replace

from tests.corpus.case import Case

SCRIPT = "scripted.py"
KINDS = {"plain": (), "lightning": ("lightning",)}
"""Kind -> the modules that it needs."""

FAULTY_ONCE = (
    Case(
        name="lock-held-while-forking",
        provable=True,
        cause="a thread of main holds a lock while the workers are forked",
        expected=("DW111",),
    ),
    Case(
        name="openmp-after-fork",
        provable=True,
        cause="the workers inherit OpenMP threads that do not exist",
        expected=("DW111",),
        environment={"OMP_NUM_THREADS": "2"},
    ),
    Case(
        name="lock-cycle",
        provable=True,
        cause="two workers take two locks in opposite orders",
        expected=("DW111",),
    ),
    Case(
        name="shared-memory",
        cause="the workers' batches do not fit into shared memory",
        expected=("DW302",),
        mounts={"/dev/shm": "20m"},
        twin="big-samples",
    ),
    Case(
        name="worker-killed",
        cause="SIGKILL of a worker while it loads a sample",
        expected=("DW301",),
    ),
    Case(
        name="worker-crashes",
        cause="segmentation fault of a worker",
        expected=("DW305",),
    ),
    Case(name="sample-broken", cause="an exception in the dataset", expected=("DW306",)),
    Case(name="transform-loops", cause="a sample loops for ever", expected=("DW112",)),
    Case(
        name="worker-stopped",
        provable=True,
        cause="somebody stopped a loader worker",
        expected=("DW115",),
        actors=("stop_a_worker",),
        ends="finding",
        twin="slow-data",
    ),
    Case(name="cuda-out-of-memory", cause="the device is full", expected=("DW401",)),
    Case(
        name="loss-is-nan",
        cause="the loss is not a number from step 10 on",
        expected=("DW203",),
    ),
    Case(
        name="pool-loses-a-process",
        provable=True,
        cause="the pool of the metric lost a task with its process and waits for it",
        expected=("DW119",),
        twin="pool",
    ),
    Case(
        name="memory-creeps",
        cause="a list keeps a megabyte of each iteration",
        expected=("DW505",),
        ends="finding",
    ),
)

HEALTHY_ONCE = tuple(
    Case(name=name, cause=cause, healthy=True, twin="")
    for name, cause in (
        ("plain", "nothing"),
        ("big-samples", "nothing: there is room for the batches"),
        ("slow-data", "each sample takes 50 ms"),
        ("pool", "nothing: the pool of the metric ends"),
    )
)


def _of(case: Case, kind: str, needs: tuple[str, ...]) -> Case:
    return replace(
        case,
        name=f"{kind} script, {case.name}",
        twin=f"{kind} script, {case.twin}" if case.twin else "plain",
        script=SCRIPT,
        arguments=(kind, case.name, "{work_dir}"),
        needs=needs,
    )


CASES = tuple(_of(case, kind, needs) for kind, needs in KINDS.items() for case in FAULTY_ONCE)
HEALTHY = tuple(_of(case, kind, needs) for kind, needs in KINDS.items() for case in HEALTHY_ONCE)
