"""What proves, without a clock, that a training never continues unless it is acted on. Pure.

The proof is that of a closed system: the main process waits for its workers, each worker waits for
a lock or for work, and of every process that could release one of these locks, every thread waits
in the same way. A thread that runs, sleeps for a time, reads, or cannot be read may end the wait,
so nothing is proven then and the stall timeout decides (decision 42).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dualwatch.events import Frame, StacksCaptured, ThreadStack, WaitKind, WaitSeen
from dualwatch.protocol import AgentCommand, Phase
from dualwatch.rules.stalls import background, context, stack_patterns
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.pauses import LOOPS
from dualwatch.state.snapshot import Gaps, Snapshot

LOOKS = 3
SPAN = 20.0
"""Seconds between the first and the last of these looks, at least."""

_WAITS_FOR_BATCH = (Phase.WAITING, Phase.VAL_WAITING)
_LOCKS = (WaitKind.MEMORY_LOCK, WaitKind.FILE_LOCK)


class Cause(enum.Enum):
    """``DEADLOCK``: workers wait for locks. ``LOST_BATCH``: all workers wait for work. ``POOL``:
    the main process waits for a pool that has nothing to do. ``STOPPED``: a worker is stopped.
    ``MAIN``: workers were taken away, and the main process waits for the same kind of lock."""

    DEADLOCK = "deadlock"
    LOST_BATCH = "lost-batch"
    POOL = "pool"
    STOPPED = "stopped"
    MAIN = "main"


class Proven(NamedTuple):
    """A proof.

    Attributes:
        pid: The training process that waits.
        looks: How many show the same.
        seconds: Between the first and the last of them.
    """

    cause: Cause
    pid: int
    looks: int
    seconds: float


def worth_looking(s: Snapshot, limits: Thresholds) -> float | None:
    """Seconds of silence from which looks can prove something; None where they cannot.

    A pause that this training had before and survived is shorter than that.
    """
    pulse = s.slowest
    if pulse is None or s.started is None or s.ended is not None or s.activity is None:
        return None
    if s.activity.busy and not s.activity.stopped:
        return None
    if pulse.phase == Phase.METRICS:
        return SPAN
    if pulse.phase not in _WAITS_FOR_BATCH:
        return None
    return _least_silence(s, limits)


def find(s: Snapshot, limits: Thresholds) -> Proven | None:
    """What is proven now; None where nothing is."""
    if len(s.stacks) < LOOKS or not s.pulses or not s.stacks[-1].waits:
        return None
    if s.phase in _WAITS_FOR_BATCH and context.silence(s) < _least_silence(s, limits):
        return None
    for pid in context.trainers(s):
        newest = _closed(s, s.stacks[-1], pid)
        if newest is None:
            continue
        same = [s.stacks[-1]]
        for look in reversed(s.stacks[:-1]):
            if _closed(s, look, pid) != newest:
                break
            same.append(look)
        seconds = same[0].at - same[-1].at
        is_idle = newest.cause is Cause.STOPPED or s.busy_at <= same[-1].at
        if len(same) >= LOOKS and seconds >= SPAN and is_idle:
            return Proven(newest.cause, pid, len(same), seconds)
    return None


def _least_silence(s: Snapshot, limits: Thresholds) -> float:
    longest = s.gaps.get(s.place, Gaps()).longest
    return max(SPAN, limits.usual * _usual_batch(s), longest)


def _usual_batch(s: Snapshot) -> float:
    """Seconds that an iteration of this loop took so far, with its batch; 0 before the first."""
    loop = LOOPS[s.phase]
    gaps = s.gaps.get(loop, Gaps())
    if loop == LOOPS[Phase.WAITING] and s.last_iteration is not None:
        done = s.last_iteration - (s.first_iteration or 0) + 1
        return gaps.mean * gaps.count / max(1, done)
    return 2 * gaps.mean  # The wait for a batch, and the work on it.


# --- one look ------------------------------------------------------------------------------------


class _Closed(NamedTuple):
    """Why a training process can never continue, as one look shows it.

    Attributes:
        waits: Process, thread and lock of each wait that has a part in it.
    """

    cause: Cause
    waits: frozenset[tuple[int, int, str]]


def _closed(s: Snapshot, look: StacksCaptured, pid: int) -> _Closed | None:
    """The closed system around a training process; None where something may end its wait."""
    seen = _Look(s, look, pid)
    main = stack_patterns.main_thread(look, pid)
    if stack_patterns.waits_for_batch(main):
        if stopped := seen.stopped():
            return _Closed(Cause.STOPPED, frozenset((p, p, "") for p in stopped))
        locked = seen.locked()
        if locked is None:
            return None
        # A batch is lost only if it is not on its way: all threads around it wait, too.
        waits = seen.waits_around(locked or (pid, *seen.workers))
        cause = Cause.DEADLOCK if locked else Cause.LOST_BATCH
        return _Closed(cause, waits) if waits is not None else None
    if stack_patterns.fetches(main) and _was_replaced(s):
        waits = seen.locked_main()
        return _Closed(Cause.MAIN, waits) if waits is not None else None
    if stack_patterns.caller_of_pool(main) is not None:
        pool = seen.idle_pool()
        waits = seen.waits_around((pid, *pool)) if pool else None
        return _Closed(Cause.POOL, waits) if waits is not None else None
    return None


def _was_replaced(s: Snapshot) -> bool:
    """Whether workers were taken away because of a stall: what they waited for was proven then."""
    return any(one.order == AgentCommand.REPLACE and one.done for one in s.answers)


class _Look:
    """One capture, and which of its threads could end a wait.

    Attributes:
        trainer: The training process that is asked about.
        workers: Its sampled loader workers that are alive.
    """

    def __init__(self, s: Snapshot, look: StacksCaptured, trainer: int) -> None:
        self.trainer = trainer
        self._processes = s.process
        self._trainers = context.trainers(s)
        self._stacks: dict[int, list[ThreadStack]] = {}
        for stack in look.stacks:
            self._stacks.setdefault(stack.pid, []).append(stack)
        self._waits: dict[int, list[WaitSeen]] = {}
        for wait in look.waits:
            self._waits.setdefault(wait.pid, []).append(wait)
        self.workers = tuple(
            process.pid
            for process in context.workers(s, trainer)
            if process.status != "zombie"
            and not stack_patterns.is_pool_worker(self.frames_of(process.pid))
        )

    def frames_of(self, pid: int, tid: int | None = None) -> Sequence[Frame]:
        """Frames of a thread, of the main thread by default; () where it has none."""
        stacks = self._stacks.get(pid, [])
        if tid is None or tid == pid:
            return stack_patterns.main_thread_of(stacks)
        return next((one.frames for one in stacks if one.tid == tid), ())

    def stopped(self) -> list[int]:
        """Stopped workers, of a training process that runs."""
        at_rest = {p for p in self._waits if self._main_wait(p).kind is WaitKind.STOPPED}
        return [] if self.trainer in at_rest else [p for p in self.workers if p in at_rest]

    def locked(self) -> tuple[int, ...] | None:
        """Workers at a lock inside the dataset; None unless all others wait for work."""
        found = []
        for pid in self.workers:
            frames = self.frames_of(pid)
            if stack_patterns.waits_for_work(frames):
                continue
            wait = self._main_wait(pid)
            if not stack_patterns.fetches(frames) or wait.kind not in _LOCKS or not wait.endless:
                return None
            found.append(pid)
        return tuple(found) if self.workers else None

    def locked_main(self) -> frozenset[tuple[int, int, str]] | None:
        """The waits around a main process that loads a batch itself and waits for a lock in it."""
        wait = self._main_wait(self.trainer)
        is_locked = wait.kind in _LOCKS and wait.endless
        return self.waits_around((self.trainer,)) if is_locked else None

    def idle_pool(self) -> tuple[int, ...]:
        """The processes of a pool; () unless all of them wait for a task."""
        pool = tuple(p for p in self._stacks if stack_patterns.is_pool_worker(self.frames_of(p)))
        idle = all(stack_patterns.waits_for_a_task(self.frames_of(p)) for p in pool)
        return pool if idle else ()

    def waits_around(self, pids: Iterable[int]) -> frozenset[tuple[int, int, str]] | None:
        """The waits of these processes and of all that could end them; None unless all wait."""
        waiting, seen = list(pids), set[int]()
        while waiting:
            pid = waiting.pop()
            if pid in seen:
                continue
            seen.add(pid)
            process = self._processes.get(pid)
            if process is None:
                return None  # It is outside of the tree, or has ended meanwhile.
            if process.status == "zombie":
                continue
            freed_by = self._freed_by(pid)
            if freed_by is None:
                return None
            waiting += freed_by
        waits = (wait for pid in seen for wait in self._waits.get(pid, ()))
        return frozenset((w.pid, w.tid, w.what) for w in waits if w.endless)

    def _freed_by(self, pid: int) -> set[int] | None:
        """Processes on which the threads of one depend; None where one may move unaided."""
        waits = self._waits.get(pid)
        if not waits:
            return None
        found: set[int] = set()
        for wait in waits:
            if wait.kind in _LOCKS and wait.endless and wait.freed_by is not None:
                found |= set(wait.freed_by)
                if wait.kind is WaitKind.FILE_LOCK:
                    found |= self._children(wait.freed_by)  # They have the open file, too.
                continue
            more = self._by_frames(pid, wait.tid)
            if more is None:
                return None
            found |= more
        return found

    def _by_frames(self, pid: int, tid: int) -> set[int] | None:
        """The same of a thread that does not wait for a lock, by what it executes."""
        frames = self.frames_of(pid, tid)
        parent = {self._processes[pid].ppid}
        if tid != pid:
            if frames:
                return set() if background.is_background(frames) else None
            return set() if self._is_native(pid, tid) else None
        if pid in self._trainers and stack_patterns.waits_for_batch(frames):
            return set(self.workers) if pid == self.trainer else None
        if stack_patterns.waits_for_work(frames):
            return parent
        is_in_pool = stack_patterns.is_pool_worker(frames)
        return parent if is_in_pool and stack_patterns.waits_for_a_task(frames) else None

    def _is_native(self, pid: int, tid: int) -> bool:
        """Whether a thread is known to execute no Python: it holds no lock of a dataset.

        Of a worker it may be the pool of a library, on which the worker waits.
        """
        stacks = self._stacks.get(pid, [])
        numbers = {one.tid for one in stacks}
        return pid in self._trainers and bool(stacks) and numbers.isdisjoint((None, tid))

    def _children(self, pids: Iterable[int]) -> set[int]:
        parents = set(pids)
        return {p.pid for p in self._processes.values() if p.ppid in parents}

    def _main_wait(self, pid: int) -> WaitSeen:
        unknown = WaitSeen(pid=pid, tid=pid, kind=WaitKind.OTHER)
        return next((w for w in self._waits.get(pid, ()) if w.tid == pid), unknown)
