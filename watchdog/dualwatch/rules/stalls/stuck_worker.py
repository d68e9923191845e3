"""DW112, DW113, DW114: where a stalled training is stuck when its workers are not deadlocked.

Only for a stalled training, never for a slow one. The place must be the same in every capture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dualwatch.events import Evidence, Finding, Frame, Proof, Severity, ThreadStack
from dualwatch.protocol import Phase
from dualwatch.rules.stalls import context, loader, stack_patterns, stall, waits
from dualwatch.rules.stalls.proof import Cause
from dualwatch.rules.stalls.stall import StallKind
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

QUOTED = 8
"""Samples of a batch that are quoted."""


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """The place where a stalled training is stuck."""
    now = stall.state(s, limits)
    kind = now.kind
    is_proven = now.proven is not None and now.proven.cause is Cause.MAIN
    if kind not in (StallKind.STALLED, StallKind.SUSPECT) and not is_proven:
        return
    found = _find(s)
    if found is None:
        return
    # Two samples of a training of which nothing else is known: it may as well be slow.
    is_suspect = kind is StallKind.SUSPECT
    yield stall.found(
        s,
        found.code,
        found.evidence,
        min(found.confidence, 0.5) if is_suspect else found.confidence,
        remedy=found.remedy,
        severity=Severity.WARNING if is_suspect else None,
        pid=found.pid,
        proof=Proof.ENDLESS if is_proven else found.proof,
    )


class _Cause(NamedTuple):
    """Where a stalled training is stuck."""

    code: str
    evidence: list[Evidence]
    confidence: float
    remedy: str
    pid: int
    proof: Proof | None = None


def _find(s: Snapshot) -> _Cause | None:
    pid = context.main_pid(s)
    where, main = context.phase(s), context.stack(s, pid)
    if where == Phase.BUILDING_DATA:
        return _dataset_init(s, pid, main)
    if stack_patterns.fetches(main):
        return _without_workers(s, pid, main)
    if where in (Phase.STEP, Phase.VAL_STEP) or stack_patterns.asks_sampler(main):
        return _step(s, pid, main)
    if context.waits_for_batch(s, pid):
        return _workers(s, pid)
    return None


# --- DW113 ---------------------------------------------------------------------------------------


def _dataset_init(s: Snapshot, pid: int, main: tuple[Frame, ...]) -> _Cause | None:
    refused = context.stacks_refused(s)
    if not main and not refused:
        return None
    place = stack_patterns.place(main[:3]) if main else "its stack could not be read"
    text = f"the dataset is being built and does not finish: {place}"
    evidence = [_evidence(s, text, pid)]
    used = _cpu(s, pid)
    if used is None:
        remedy = "Check what it reads: a network folder, a huge annotation file, a lock."
    elif used >= context.RUNS:
        evidence.append(_seen(s, f"it computes: {context.state(s, pid)}; parsing, or a loop"))
        remedy = (
            "Look at the function that the evidence names: it parses, or loops. Cache parsed "
            "annotations; --busy-timeout permits a long parse."
        )
    else:
        lock = _is_at_futex(s, pid)
        cause = "a lock" if lock else "I/O"
        evidence.append(_seen(s, f"it waits for {cause}: {context.state(s, pid)}"))
        remedy = (
            "Find out which process holds the lock. No worker is involved, so num_workers=0 will "
            "not help."
            if lock
            else "Put annotations and images on a local disk, or cache the annotations. No worker "
            "is involved, so num_workers=0 will not help."
        )
    sure = 0.9 if stack_patterns.builds_data(main) else 0.7 if main else 0.6
    return _Cause("DW113", evidence, sure, remedy, pid)


# --- DW114 ---------------------------------------------------------------------------------------


def _step(s: Snapshot, pid: int, main: tuple[Frame, ...]) -> _Cause | None:
    if not context.is_unchanged(s, pid) or stack_patterns.collective(main) is not None:
        return None
    part = stack_patterns.part_of_step(main)
    place = stack_patterns.place(main[:3])
    if part == "the sampler":
        text = f"the sampler does not return the next indices: {place}"
        remedy = (
            "Correct the sampler (or batch sampler) that the evidence names: its loop finds no "
            "index. num_workers=0 will not help."
        )
    else:
        where = f"in {part}" if part else "in its own code"
        text = f"the main process is stuck {where}: {place}"
        remedy = (
            f"Look at the function that the evidence names{f' ({part})' if part else ''}. The "
            "loader is not the cause: num_workers=0 will not help."
        )
    evidence = [_evidence(s, text, pid)]
    process = s.process.get(pid)
    if process is not None and s.activity is not None:
        used = s.activity.by_pid.get(pid, 0.0)
        state = f"it is {process.status} and uses {used * 100:.0f} % of a core"
        state += f", asleep in {process.wchan}" if process.wchan and used < context.RUNS else ""
        evidence.append(_seen(s, state))
    return _Cause("DW114", evidence, 0.85, remedy, pid)


# --- DW112 ---------------------------------------------------------------------------------------


def _workers(s: Snapshot, pid: int) -> _Cause | None:
    """Workers that are stuck in the dataset, and not at a lock."""
    workers = context.worker_stacks(s, pid)
    locked, stuck = loader.at_locks(s, pid)
    if not stuck:
        return None
    are = "is" if len(stuck) == 1 else "are"
    if len(stuck) == len(workers) and len(workers) > 1:
        text = f"all {len(workers)} loader workers are stuck inside the dataset"
    else:
        text = f"{len(stuck)} of {len(workers)} loader workers {are} stuck inside the dataset"
    idle = sum(not stack_patterns.fetches(worker.frames) for worker in workers)
    rest = [f"{idle} wait for work"] if idle else []
    rest += [f"{len(locked)} wait for a lock that it may hold"] if locked else []
    evidence = [Evidence(text=", ".join([text, *rest]), source="py-spy", wall=s.wall)]
    for worker in stuck[:8]:
        place = f"worker {worker.pid}: {stack_patterns.dataset_place(worker.frames)}"
        evidence.append(_evidence(s, place, worker.pid))
        evidence += _sample(s, worker.frames, f"worker {worker.pid}", worker.pid)
        evidence.append(_seen(s, f"worker {worker.pid} {_doing(s, worker.pid, worker.frames)}"))
    evidence += _awaited(s)
    all_of_many = len(stuck) == len(workers) and len(workers) > 1
    sure = 0.75 if all_of_many else 0.9
    proof = Proof.LOOPS if any(_loops(s, worker.pid) for worker in stuck[:8]) else None
    return _Cause("DW112", evidence, sure, _dataset_remedy(s, stuck[0]), pid, proof)


def _without_workers(s: Snapshot, pid: int, main: tuple[Frame, ...]) -> _Cause | None:
    """The main process loads the batches itself, and is stuck where a worker would be."""
    if not context.is_unchanged(s, pid):
        return None
    place = stack_patterns.dataset_place(main)
    text = f"the main process loads the batches itself and is stuck in {place}"
    evidence = [_evidence(s, text, pid), *_sample(s, main, "it", pid)]
    evidence += [_seen(s, f"it {_doing(s, pid, main)}"), *_awaited(s)]
    stack = ThreadStack(pid=pid, thread="MainThread", active=None, frames=main)
    proof = Proof.LOOPS if _loops(s, pid) else None
    return _Cause("DW112", evidence, 0.85, _dataset_remedy(s, stack), pid, proof)


def _sample(s: Snapshot, stack: tuple[Frame, ...], who: str, pid: int) -> Iterator[Evidence]:
    sample = context.sample(s, stack)
    if sample:
        yield _evidence(s, f"{who} is loading the sample of {sample}", pid)


def _awaited(s: Snapshot) -> Iterator[Evidence]:
    if s.awaited:
        text = f"the missing batch: {', '.join(s.awaited[:QUOTED])}"
        more = len(s.awaited) - QUOTED
        text += f" and {more} more" if more > 0 else ""
        yield Evidence(text=text, source="agent", wall=s.wall)


def _dataset_remedy(s: Snapshot, stack: ThreadStack) -> str:
    inner = stack_patterns.dataset_frames(stack.frames)
    function = inner[0].function if inner else "the function that the evidence names"
    process = s.process.get(stack.pid)
    if _loops(s, stack.pid):
        what = f"Look at {function} and at the sample that it works on: it loops without end."
    elif process is not None and process.status == "disk-sleep":
        what = f"Look at the storage that {function} reads from: it does not respond."
    elif process is not None and not process.wchan and waits.of(stack.frames) is None:
        return (
            f"Look at what {function} waits for: a sleep, a network, a queue, a lock. "
            "num_workers=0 helps only against a lock between workers (dualwatch train tries it)."
        )
    else:
        what = f"Look at what {function} waits for: a sleep, a network, a queue."
    return f"{what} num_workers=0 will not help: the main process would be stuck at the same place."


def _doing(s: Snapshot, pid: int, frames: tuple[Frame, ...]) -> str:
    """What a process that is stuck does, and what it waits for as far as that is shown."""
    if _loops(s, pid):
        return f"loops: {context.state(s, pid)}"
    process = s.process.get(pid)
    text = f"waits: {context.state(s, pid)}"
    if process is None or process.wchan:
        return text
    wait, line = waits.of(frames), waits.source(frames)
    if wait is not None:
        return f"{text}; for {wait.value}" + (f": {line}" if line else ", by its frames")
    line = f"; {line}" if line else ""
    return f"{text}{line}; what it waits for is not known: no wait channel is shown"


def _loops(s: Snapshot, pid: int) -> bool:
    """Whether a process uses the CPU at the place where it is stuck."""
    used = _cpu(s, pid)
    return used is not None and used >= context.RUNS


def _cpu(s: Snapshot, pid: int) -> float | None:
    return s.activity.by_pid.get(pid) if s.activity is not None else None


def _is_at_futex(s: Snapshot, pid: int) -> bool:
    process = s.process.get(pid)
    return process is not None and "futex" in process.wchan


def _seen(s: Snapshot, text: str) -> Evidence:
    return Evidence(text=text, source="processes", wall=s.wall)


def _evidence(s: Snapshot, text: str, pid: int) -> Evidence:
    return Evidence(text=text, source=f"py-spy pid {pid}", wall=s.wall)
