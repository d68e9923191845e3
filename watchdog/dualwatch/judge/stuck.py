"""DW112, DW113, DW114: where a stalled training is stuck, when it is no deadlock of its workers.

They stand beside the stall that they explain, and only when there is one: a slow training is
never told where it is stuck. The place must be the same in every capture of the silence.
"""

from __future__ import annotations

from collections.abc import Iterator

from dualwatch.facts import Evidence, Finding, Frame, Severity
from dualwatch.judge import loader, stall
from dualwatch.judge.codes import finding
from dualwatch.judge.limits import Limits
from dualwatch.judge.snapshot import Snapshot
from dualwatch.wire import Phase

_SAMPLER = frozenset(("_next_index", "_try_put_index"))
_BUILDS_DATA = frozenset(("build_dataloader", "full_init", "load_data_list"))


def judge(s: Snapshot, limits: Limits) -> Iterator[Finding]:
    """Names the place of a stall."""
    stalled = any(f.severity >= Severity.ERROR for f in stall.judge(s, limits))
    if not stalled or not s.stacks or s.started is None:
        return
    main = stall.main_stack(s)
    if s.phase == Phase.BUILDING_DATA:
        yield from _dataset_init(s, main)
    elif s.phase in (Phase.STEP, Phase.VAL_STEP) or any(f.bare in _SAMPLER for f in main):
        yield from _step(s, main)
    elif loader.waits_for_batch(main):
        yield from _workers(s)


def _dataset_init(s: Snapshot, main: tuple[Frame, ...]) -> Iterator[Finding]:
    seen = any(frame.bare in _BUILDS_DATA for frame in main)
    text = f"the dataset is being built and does not end: {stall.place(main[:3])}"
    yield _finding(s, "DW113", [_evidence(s, text, stall.main_pid(s))], 0.9 if seen else 0.7)


def _step(s: Snapshot, main: tuple[Frame, ...]) -> Iterator[Finding]:
    if not _stands(s, stall.main_pid(s)):
        return
    text = f"the main process is stuck in its own code: {stall.place(main[:3])}"
    process = s.process.get(stall.main_pid(s))
    evidence = [_evidence(s, text, stall.main_pid(s))]
    if process is not None and s.activity is not None:
        used = s.activity.by_pid.get(process.pid, 0.0) * 100
        state = f"it is {process.status} and uses {used:.0f} % of a core"
        evidence.append(Evidence(text=state, source="processes", wall=s.wall))
    yield _finding(s, "DW114", evidence, 0.85)


def _workers(s: Snapshot) -> Iterator[Finding]:
    """Workers that stand in the dataset, and not at a lock, which would be a deadlock."""
    workers = [stack for stack in s.stacks[-1].stacks if loader.is_worker(stack)]
    stuck = [stack for stack in workers if loader.fetches(stack) and _stands(s, stack.pid)]
    sampled = s.process
    if not stuck or any(loader.is_at_a_lock(sampled.get(stack.pid)) for stack in stuck):
        return
    text = f"{len(stuck)} of {len(workers)} loader workers stand at the same place of the dataset"
    evidence = [Evidence(text=text, source="py-spy", wall=s.wall)]
    evidence += [
        _evidence(s, f"worker {stack.pid}: {loader.dataset_place(stack.frames)}", stack.pid)
        for stack in stuck
    ]
    yield _finding(s, "DW112", evidence, 0.9 if len(stuck) < len(workers) else 0.75)


def _stands(s: Snapshot, pid: int) -> bool:
    """Whether a process showed the same functions in every capture, of which there are enough."""
    outlines = {stall.outline_of(capture, pid) for capture in s.stacks}
    return len(s.stacks) >= stall.STILL_SAMPLES and len(outlines) == 1 and () not in outlines


def _evidence(s: Snapshot, text: str, pid: int) -> Evidence:
    return Evidence(text=text, source=f"py-spy pid {pid}", wall=s.wall)


def _finding(s: Snapshot, code: str, evidence: list[Evidence], confidence: float) -> Finding:
    assert s.started is not None
    return finding(
        code, evidence, confidence=confidence, attempt=s.started.attempt, pid=stall.main_pid(s)
    )
