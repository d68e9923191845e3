"""DW111: the cause of a stall that lies in the DataLoader."""

from __future__ import annotations

from collections.abc import Iterator

from dualwatch.facts import Evidence, Finding, Frame, ProcessSample, ThreadStack
from dualwatch.judge.codes import finding
from dualwatch.judge.limits import Limits
from dualwatch.judge.snapshot import Snapshot
from dualwatch.judge.stall import main_stack, place, timeout

# Functions of torch's loader: the main process asks for a batch, a worker makes one.
_MAIN_WAITS = frozenset(("_try_get_data", "_get_data", "_next_data"))
_WORKER_FETCHES = "fetch"
_WORKER_LOOP = "_worker_loop"

IDLE_SHARE = 0.5
"""Share of the timeout without any work: locks are seen in the stacks, time only confirms."""


def judge(s: Snapshot, limits: Limits) -> Iterator[Finding]:
    """Names a deadlock of the workers when every part of it was seen."""
    if s.started is None or s.ended is not None or not s.stacks:
        return
    limit = timeout(s, limits)
    if s.silence(s.at) < limit or s.idle(s.at) < limit * IDLE_SHARE:
        return
    main = main_stack(s)
    if not waits_for_batch(main):
        return
    workers = [stack for stack in s.stacks[-1].stacks if is_worker(stack)]
    fetching = [stack for stack in workers if fetches(stack)]
    if not fetching:
        return
    sampled = s.process
    waits_for_lock = [stack for stack in fetching if is_at_a_lock(sampled.get(stack.pid))]
    if not waits_for_lock:
        return
    inner = " < ".join(frame.function for frame in main[:3])
    evidence = [
        Evidence(
            text=f"{len(waits_for_lock)} of {len(workers)} loader workers wait for a lock inside "
            "the dataset, the main process waits for a batch",
            source="py-spy and processes",
            wall=s.wall,
        ),
        Evidence(text=f"main: {inner}", source=f"py-spy pid {s.started.pid}", wall=s.wall),
    ]
    evidence += [
        Evidence(
            text=f"worker {stack.pid}: {dataset_place(stack.frames)}; sleeps in "
            f"{sampled[stack.pid].wchan}",
            source=f"py-spy pid {stack.pid}",
            wall=s.wall,
        )
        for stack in waits_for_lock
    ]
    yield finding(
        "DW111",
        evidence,
        confidence=0.95 if len(waits_for_lock) == len(workers) else 0.85,
        attempt=s.started.attempt,
        pid=s.started.pid,
    )


def waits_for_batch(main: tuple[Frame, ...]) -> bool:
    """Whether the main process waits for its loader workers."""
    return any(frame.bare in _MAIN_WAITS for frame in main)


def is_worker(stack: ThreadStack) -> bool:
    """Whether a stack is a loader worker's."""
    return any(frame.bare == _WORKER_LOOP for frame in stack.frames)


def fetches(stack: ThreadStack) -> bool:
    """Whether a loader worker is inside the dataset, rather than waiting for work."""
    return any(frame.bare == _WORKER_FETCHES for frame in stack.frames)


def is_at_a_lock(process: ProcessSample | None) -> bool:
    """Whether a process is known to sleep at a lock."""
    return process is not None and "futex" in process.wchan


def dataset_place(frames: tuple[Frame, ...]) -> str:
    """The innermost frames, outward to where the dataset was entered."""
    inner = []
    for frame in frames:
        if frame.bare == _WORKER_FETCHES:
            break
        inner.append(frame)
    return place(inner[:2] or frames[:1])
