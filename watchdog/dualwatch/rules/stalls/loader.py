"""DW111: loader workers deadlock, or wait for a lock that is never released."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from dualwatch.events import (
    Evidence,
    Finding,
    Frame,
    ProcessSample,
    Proof,
    Severity,
    ThreadStack,
)
from dualwatch.protocol import Phase
from dualwatch.rules.stalls import context, stack_patterns, stall, waits
from dualwatch.rules.stalls.proof import Cause, Proven
from dualwatch.rules.stalls.stall import StallKind
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

IDLE_SHARE = 0.5
"""Share of the timeout that must be idle: the stacks show the locks, time only confirms."""

_WAITS = ("poll", "futex", "select", "sem")
"""Families of kernel functions in which a process waits for another one."""

_POOLS = ("OpenCV", "PyTorch", "NumPy")

NO_WORKERS = "num_workers=0 avoids it (dualwatch train sets it)."


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """A deadlock of the workers, by stacks or, where those are refused, by process states."""
    state = stall.state(s, limits)
    kind = state.kind
    if state.proven is not None:
        if state.proven.cause is Cause.DEADLOCK:
            yield from _proven(s, state.proven)
        return
    if kind not in (StallKind.STALLED, StallKind.SUSPECT, StallKind.SLOW):
        return
    if context.idle(s) < stall.timeout(s, limits) * IDLE_SHARE:
        return
    for main in context.trainers(s):
        found = _seen(s, main, kind) or _unseen(s, main, kind)
        if found is not None:
            yield found
            return


def _proven(s: Snapshot, proven: Proven) -> Iterator[Finding]:
    found = _seen(s, proven.pid, StallKind.PROVEN)
    if found is not None:
        yield replace(found, proof=found.proof or Proof.ENDLESS)


def at_locks(s: Snapshot, main: int) -> tuple[list[ThreadStack], list[ThreadStack]]:
    """Workers with work: those that wait for a lock, and those that are stuck in the dataset.

    The second are the cause of the first: a worker that never returns may hold their lock.
    """
    fetching = [w for w in context.worker_stacks(s, main) if stack_patterns.fetches(w.frames)]
    locked = [w for w in fetching if context.is_at_a_lock(s, w)]
    beside = [w for w in context.worker_stacks(s, main) if _waits_beside(s, w)]
    loose = [
        w
        for w in fetching
        if w not in locked and w.pid in s.process and context.is_unchanged(s, w.pid)
    ]
    return [*locked, *beside], loose


def _waits_beside(s: Snapshot, worker: ThreadStack) -> bool:
    """Whether a worker waits for a lock while it neither loads nor waits for work."""
    return bool(stack_patterns.beside_dataset(worker.frames)) and context.is_at_a_lock(s, worker)


def _seen(s: Snapshot, pid: int, kind: StallKind) -> Finding | None:
    """The deadlock by its stacks."""
    main = context.stack(s, pid)
    if not context.waits_for_batch(s, pid):
        return None
    workers = context.worker_stacks(s, pid)
    locked, loose = at_locks(s, pid)
    if kind is StallKind.SUSPECT:
        locked = [w for w in locked if context.is_unchanged(s, w.pid)]
    if not locked or loose:
        return None
    where = "inside" if any(stack_patterns.fetches(w.frames) for w in locked) else "outside of"
    unread = _unread(s, pid, workers)
    count = len(workers) + len(unread)
    text = (
        f"{len(locked)} of {count} loader workers wait for a lock {where} the dataset, the "
        "main process waits for a batch"
    )
    evidence = [
        Evidence(text=text, source="py-spy and processes", wall=s.wall),
        _main(s, pid, main),
    ]
    evidence += [_place(s, worker) for worker in locked[:8]]
    if unread:
        text = f"the stack of worker {context.names(unread)} was not read"
        evidence.append(Evidence(text=text, source="py-spy", wall=s.wall))
    hints, remedy, proof = _kind(s, pid, locked)
    evidence += [Evidence(text=hint, source="py-spy and processes", wall=s.wall) for hint in hints]
    sure = 0.95 if len(locked) == count else 0.85
    if not main:
        sure -= 0.1
    if any(not s.process[worker.pid].wchan for worker in locked) and kind is not StallKind.PROVEN:
        sure -= 0.15  # Only the innermost frame shows the lock.
    if kind is StallKind.SUSPECT:
        return stall.found(
            s, "DW111", evidence, 0.6, remedy=remedy, severity=Severity.WARNING, pid=pid
        )
    return stall.found(s, "DW111", evidence, sure, remedy=remedy, pid=pid, proof=proof)


def _unread(s: Snapshot, main: int, workers: list[ThreadStack]) -> list[int]:
    """Living workers whose stacks are not in the newest capture."""
    seen = {worker.pid for worker in workers}
    return [p.pid for p in context.workers(s, main) if p.status != "zombie" and p.pid not in seen]


def _main(s: Snapshot, pid: int, main: tuple[Frame, ...]) -> Evidence:
    if main:
        inner = " < ".join(frame.function for frame in main[:3])
        return Evidence(text=f"main: {inner}", source=f"py-spy pid {pid}", wall=s.wall)
    text = f"main: phase {context.phase(s)}; its stack was not read"
    return Evidence(text=text, source="heartbeat", wall=s.progress_wall)


def _place(s: Snapshot, worker: ThreadStack) -> Evidence:
    wchan = s.process[worker.pid].wchan
    where = f"sleeps in {wchan}" if wchan else _without_channel(worker)
    beside = stack_patterns.beside_dataset(worker.frames)
    inner = stack_patterns.place(beside[:3]) or stack_patterns.dataset_place(worker.frames)
    text = f"worker {worker.pid}: {inner}; {where}"
    return Evidence(text=text, source=f"py-spy pid {worker.pid}", wall=s.wall)


def _without_channel(worker: ThreadStack) -> str:
    """What shows the lock where the system shows no wait channel."""
    line = waits.source(worker.frames)
    return f"no wait channel is shown, {line or 'its innermost frame takes a lock'}"


# --- which kind of lock --------------------------------------------------------------------------


def _kind(
    s: Snapshot, main: int, locked: list[ThreadStack]
) -> tuple[list[str], str | None, Proof | None]:
    """What is known of the lock, its remedy (None for the general one), and what it proves."""
    dead = _dead(s, main)
    if dead:
        one = len(dead) == 1
        text = (
            f"worker {context.names(dead)} {'is' if one else 'are'} dead, and a dead worker never "
            "releases a lock that it held"
        )
        remedy = (
            f"{NO_WORKERS} Then find out why worker {context.names(dead)} died (out of memory, a "
            "signal, a crash): a multiprocessing lock stays locked when its holder is killed."
        )
        return [text], remedy, None
    finalizing = [w for w in locked if _finalizer(w)]
    if finalizing:
        return _of_finalizers(finalizing)
    files = _file_locks(s, locked)
    if files:
        remedy = (
            f"Take the file locks in one order in every worker, or give each worker a file of its "
            f"own. {NO_WORKERS}"
        )
        return files, remedy, None
    libraries = [name for w in locked if (name := stack_patterns.library(w.frames))]
    if libraries and all(name in _POOLS for name in libraries):
        name = libraries[0]
        worker = next(w for w in locked if stack_patterns.library(w.frames))
        inner = stack_patterns.place(stack_patterns.dataset_frames(worker.frames)[:1])
        text = (
            f"the innermost frame is a call into {name}, {inner}, not a lock of the dataset: its "
            "thread pool does not survive a fork"
        )
        return [text], _pool_remedy(name), None
    if libraries:
        name = libraries[0]
        text = f"the innermost frame is a call into {name}, whose files must not be open at a fork"
        remedy = f"Open the {name} file in the worker, at the first sample. {NO_WORKERS}"
        return [text], remedy, None
    pools = [worker.pid for worker in locked if _has_native_threads(s, worker)]
    if pools:
        text = (
            f"worker {context.names(pools)} was forked, has delivered nothing, and has native "
            "threads: a thread pool (OpenMP, OpenCV) that did not survive the fork"
        )
        return [text], _pool_remedy(""), None
    if len({_own_place(worker.frames) for worker in locked} - {()}) > 1:
        text = (
            "the workers wait at different places: a cycle, in which each holds the lock that "
            "another one wants"
        )
        remedy = f"Take the locks in one order in every worker. {NO_WORKERS}"
        return [text], remedy, Proof.CYCLE
    if all(
        stack_patterns.is_forked(w.frames) and context.has_delivered(s, w.pid) is False
        for w in locked
    ):
        text = "none of them has delivered a batch: the lock was held while they were forked"
        remedy = (
            f"{NO_WORKERS} To keep workers, start no threads and open no files before they are "
            "forked, or spawn them (multiprocessing_context='spawn')."
        )
        return [text], remedy, None
    return [], None, None


def _finalizer(worker: ThreadStack) -> tuple[Frame, ...]:
    return stack_patterns.finalizer(stack_patterns.own(worker.frames))


def _of_finalizers(finalizing: list[ThreadStack]) -> tuple[list[str], str, None]:
    """The finalizer of an object that a worker has of its parent, whose threads it has not."""
    forked = all(stack_patterns.is_forked(w.frames) for w in finalizing)
    inner = stack_patterns.place(_finalizer(finalizing[0])[-1:]) or "?"
    text = (
        f"{context.names([w.pid for w in finalizing])}: a finalizer of an object that is no longer "
        f"used, {inner}, not the dataset"
    )
    text += "; the thread that it waits for exists in the parent only" if forked else ""
    remedy = (
        "Close what has threads (loggers of experiments, clients, event loops) before the loader "
        "starts its workers, or spawn them (multiprocessing_context='spawn' or 'forkserver'), so "
        f"that they have no copy of it. {NO_WORKERS}"
    )
    return [text], remedy, None


def _file_locks(s: Snapshot, locked: list[ThreadStack]) -> list[str]:
    """Who waits for which file, and who holds it."""
    pids = {worker.pid for worker in locked}
    lines = []
    for lock in s.file_locks:
        if not lock.waits or lock.pid not in pids:
            continue
        holders = [h.pid for h in s.file_locks if h.file == lock.file and not h.waits]
        who = f"worker {context.names(holders)}" if set(holders) <= pids else ""
        who = who or f"process {context.names(holders)}"
        text = f"worker {lock.pid} waits for the lock of {lock.file}"
        lines.append(f"{text}, which {who} holds" if holders else text)
    return lines[:8]


def _pool_remedy(name: str) -> str:
    threads = {
        "OpenCV": "cv2.setNumThreads(0)",
        "PyTorch": "OMP_NUM_THREADS=1 (torch.set_num_threads(1) in the worker)",
        "NumPy": "OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1",
    }.get(name, "cv2.setNumThreads(0) and OMP_NUM_THREADS=1")
    return f"Set {threads}, or spawn workers (multiprocessing_context='spawn'). {NO_WORKERS}"


def _own_place(stack: tuple[Frame, ...]) -> tuple[str, str, int] | tuple[()]:
    """The innermost frame that takes the lock."""
    for frame in stack_patterns.dataset_frames(stack):
        if not waits.calls_a_lock((frame,)):
            return (frame.file, frame.function, frame.line)
    return ()


def _dead(s: Snapshot, main: int) -> list[int]:
    """Workers of this training process that are dead: zombies, and those seen earlier."""
    zombies = [p.pid for p in context.workers(s, main) if p.status == "zombie"]
    before = {
        stack.pid
        for capture in s.stacks[:-1]
        for stack in capture.stacks
        if stack_patterns.is_worker(stack) and stack.pid not in s.process
    }
    # With several ranks it is not known whose worker it was.
    return [*zombies, *(sorted(before) if len(context.trainers(s)) == 1 else ())]


def _has_native_threads(s: Snapshot, worker: ThreadStack) -> bool:
    """Whether a forked worker that delivered nothing has more threads than Python started."""
    threads = s.process[worker.pid].threads
    if threads is None or not stack_patterns.is_forked(worker.frames):
        return False
    known = sum(stack.pid == worker.pid for stack in s.stacks[-1].stacks)
    return context.has_delivered(s, worker.pid) is False and threads > known


# --- stacks refused ------------------------------------------------------------------------------


def _unseen(s: Snapshot, pid: int, kind: StallKind) -> Finding | None:
    """The deadlock by its processes alone, where stacks could not be read."""
    why = context.stacks_refused(s)
    if not why or context.phase(s) not in (Phase.WAITING, Phase.VAL_WAITING):
        return None
    main = context.stack(s, pid)
    seen = {stack.pid for stack in s.stacks[-1].stacks} if s.stacks else set()
    unread = [p for p in context.workers(s, pid) if p.pid not in seen and p.status != "zombie"]
    locked = [p for p in unread if _is_asleep_at_a_lock(s, p)]
    if not locked or not (stack_patterns.waits_for_batch(main) if main else _waits(s, pid)):
        return None
    text = (
        f"{len(locked)} loader workers sleep at a lock (futex) without CPU or I/O, the main "
        "process waits; their stacks could not be read"
    )
    evidence = [
        Evidence(text=text, source="processes", wall=s.wall),
        Evidence(text=f"main {pid}: {context.state(s, pid)}", source="processes", wall=s.wall),
    ]
    evidence += [
        Evidence(text=f"worker {p.pid}: {context.state(s, p.pid)}{_age(p)}", source="processes")
        for p in locked[:8]
    ]
    evidence.append(Evidence(text=f"stacks could not be read: {why}", source="py-spy"))
    sure = 0.6 if kind is not StallKind.SUSPECT else 0.5
    severity = None if kind is not StallKind.SUSPECT else Severity.WARNING
    return stall.found(s, "DW111", evidence, sure, severity=severity, pid=pid)


def _is_asleep_at_a_lock(s: Snapshot, process: ProcessSample) -> bool:
    io = s.activity.io_by_pid.get(process.pid, 0.0) if s.activity is not None else 0.0
    at_lock = context.waits_for_a_lock(process.wchan)
    return context.sleeps(s, process.pid) and at_lock and io < 1024


def _waits(s: Snapshot, pid: int) -> bool:
    process = s.process.get(pid)
    return (
        process is not None
        and context.sleeps(s, pid)
        and any(word in process.wchan for word in _WAITS)
    )


def _age(process: ProcessSample) -> str:
    """What its number of threads shows: a worker that has delivered a batch has three."""
    if process.threads == 1:
        return "; it has one thread, so it has delivered no batch"
    return ""
