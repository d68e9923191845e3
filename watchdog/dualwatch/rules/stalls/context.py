"""What the rules about stalls derive from a snapshot: trainers, phase, time without progress. Pure.

A training that dualwatch started has a heartbeat. Any other has at most a log and two samples of
its processes, so its phase is read from the stack of its main thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dualwatch.core import units
from dualwatch.events import Frame, ProcessSample, ThreadStack, ThreadWait
from dualwatch.protocol import STARTUP_PHASES, VALIDATION_PHASES, Phase
from dualwatch.rules.stalls import stack_patterns, waits
from dualwatch.rules.stalls.waits import Wait
from dualwatch.state.activity import BUSY_CPU
from dualwatch.state.snapshot import Snapshot

STILL_CAPTURES = 3
"""Readings that must show one place before a process counts as stuck there."""

STILL_APART = 2.0
"""Seconds between two readings that suffice instead."""

ASLEEP_CPU = 0.02
"""Share of a core below which a single process sleeps."""

RUNS = 0.2
"""Share of a core from which a process that stays in one place loops there.

Much less than one: on a machine with more to do than cores a loop gets its share only.
"""

_PROGRAM = re.compile(r"\.exe(?:[\s\"]|$)", re.IGNORECASE)

FEEDER = "QueueFeederThread"
"""A worker starts it when it hands over its first batch."""


# --- trainers ----------------------------------------------------------------------------------


def trainers(s: Snapshot) -> tuple[int, ...]:
    """The processes that train, one a rank; never torchrun's agent."""
    assert s.started is not None
    sampled = s.processes.processes if s.processes is not None else ()
    ranks = [s.pulses[rank].pid for rank in sorted(s.pulses)]
    ranks += [p.pid for p in sampled if p.role == "rank"]
    if s.stacks:
        ranks += [
            stack.pid for stack in s.stacks[-1].stacks if stack_patterns.is_spawned_rank(stack)
        ]
    ranks = ranks or [p.pid for p in sampled if p.role == "main"][:1]
    return tuple(dict.fromkeys(ranks)) or (s.started.pid,)


def main_pid(s: Snapshot) -> int:
    """The process that decides the phase of the training: the rank that moved longest ago.

    Without heartbeats it is the first rank that does not merely wait for the others.
    """
    pulse = slowest_rank(s)
    if pulse is not None:
        return s.pulses[pulse].pid
    pids = trainers(s)
    return next((pid for pid in pids if stack_patterns.collective(stack(s, pid)) is None), pids[0])


def slowest_rank(s: Snapshot) -> int | None:
    """The rank that moved longest ago; a finished rank does not count."""
    running = [rank for rank, pulse in s.pulses.items() if pulse.phase != Phase.FINISHED]
    known = running or list(s.pulses)
    return min(known, key=lambda rank: s.moved_at.get(rank, s.progress_at), default=None)


def rank_of(s: Snapshot, pid: int) -> int | None:
    """The rank of a process, by its heartbeat; None where it is not known."""
    return next((rank for rank, pulse in s.pulses.items() if pulse.pid == pid), None)


def workers(s: Snapshot, main: int) -> list[ProcessSample]:
    """The sampled loader workers of one training process, dead ones included."""
    pids = trainers(s)
    sampled = s.processes.processes if s.processes is not None else ()
    return [
        p
        for p in sampled
        if p.role == "worker" and p.pid not in pids and (p.ppid == main or len(pids) == 1)
    ]


# --- phase ---------------------------------------------------------------------------------------


def stack(s: Snapshot, pid: int) -> tuple[Frame, ...]:
    """Frames of a process's main thread in the newest capture; () if not seen."""
    return stack_patterns.main_thread(s.stacks[-1], pid) if s.stacks else ()


def waits_for_batch(s: Snapshot, pid: int) -> bool:
    """Whether a training process waits for a batch: by its stack, else by its heartbeat."""
    main = stack(s, pid)
    if main:
        return stack_patterns.waits_for_batch(main)
    rank = rank_of(s, pid)
    return rank is not None and s.pulses[rank].phase in (Phase.WAITING, Phase.VAL_WAITING)


def worker_stacks(s: Snapshot, main: int) -> list[ThreadStack]:
    """The stacks of one training process's loader workers in the newest capture."""
    if not s.stacks:
        return []
    pids = trainers(s)
    sampled = s.process
    found = [stack for stack in s.stacks[-1].stacks if stack_patterns.is_worker(stack)]
    if len(pids) == 1:
        return found
    return [w for w in found if w.pid in sampled and sampled[w.pid].ppid == main]


def phase(s: Snapshot) -> str:
    """The phase of the training: by heartbeat, else stack, else log."""
    if s.started is None:
        return s.phase
    rank = slowest_rank(s)
    if rank is not None:
        return s.pulses[rank].phase
    return stack_patterns.phase_of(stack(s, main_pid(s))) or s.logged_phase


def is_seen(s: Snapshot) -> bool:
    """Whether a heartbeat or a stack shows the phase, rather than lines of a log."""
    if s.started is None:
        return bool(s.pulses)
    if slowest_rank(s) is not None:
        return True
    return stack_patterns.phase_of(stack(s, main_pid(s))) is not None


def phases(s: Snapshot) -> frozenset[str]:
    """The phases of all ranks that have not finished."""
    known = {pulse.phase for pulse in s.pulses.values()} - {Phase.FINISHED}
    return frozenset(known or {phase(s)})


def starting(s: Snapshot) -> bool:
    """Whether no training iteration was done yet."""
    if s.pulses:
        return s.starting
    where = phase(s)
    if where in VALIDATION_PHASES or where == Phase.SAVING:
        return False
    return where in STARTUP_PHASES or (s.last_iteration is None and not _delivered(s))


def _delivered(s: Snapshot) -> bool:
    """Whether a worker has handed over a batch."""
    return any(has_delivered(s, worker.pid) for worker in worker_stacks(s, main_pid(s)))


def has_delivered(s: Snapshot, pid: int) -> bool | None:
    """Whether a worker has handed over a batch; None where its threads were not seen."""
    seen = [stack for stack in s.stacks[-1].stacks if stack.pid == pid] if s.stacks else []
    return any(FEEDER in stack.thread for stack in seen) if seen else None


def is_unchanged(s: Snapshot, pid: int) -> bool:
    """Whether a process showed the same functions as often as distinguishes a hang from progress.

    A capture in which it could not be read says nothing of it.
    """
    read = _readings(s, pid)
    times = [at for at, _ in read]
    enough = len(read) >= STILL_CAPTURES or (len(read) == 2 and times[1] - times[0] >= STILL_APART)
    return enough and stack_patterns.are_one(outline for _, outline in read)


def unchanged_readings(s: Snapshot) -> int:
    """How often the main process and each working child were read in one place; 0 if not enough.

    Of the whole tree, since a main process that waits for a batch always shows the same stack. A
    worker that uses the CPU and could not be read often enough may make progress.
    """
    main, sampled = main_pid(s), s.process
    if not stack(s, main):
        return 0
    seen = {one.pid for capture in s.stacks for one in capture.stacks}
    first = s.stacks[0].wall
    if any(pid not in sampled or sampled[pid].create_time > first for pid in seen):
        return 0  # One has ended, or was started.
    used = s.activity.by_pid if s.activity is not None else {}
    working = [p.pid for p in workers(s, main) if used.get(p.pid, 0.0) > BUSY_CPU]
    if not all(is_unchanged(s, pid) for pid in (main, *working)):
        return 0
    each = {pid: _readings(s, pid) for pid in seen}
    same = all(stack_patterns.are_one(outline for _, outline in read) for read in each.values())
    return min(len(each[pid]) for pid in (main, *working)) if same else 0


def _readings(s: Snapshot, pid: int) -> list[tuple[float, stack_patterns.Outline]]:
    """When a process was read since the last progress, and what it showed."""
    seen = ((one.at, stack_patterns.outline_of(one, pid)) for one in s.stacks)
    return [(at, outline) for at, outline in seen if outline]


def stacks_refused(s: Snapshot) -> str:
    """Why stacks could not be read, "" where they could."""
    return next((n.why for what, n in s.not_observed.items() if what.startswith("stacks")), "")


# --- time  ----------------------------------------------------------------------------------


def silence(s: Snapshot) -> float:
    """Seconds since the slowest rank moved."""
    rank = slowest_rank(s)
    at = s.moved_at.get(rank, s.progress_at) if rank is not None else s.progress_at
    return s.at - max(at, s.progress_at)


def idle(s: Snapshot) -> float:
    """Seconds without progress and without activity, as far as is known.

    Where no activity was ever seen, all the time without progress counts.
    """
    assert s.started is not None
    if s.busy_at <= s.started.at:
        return silence(s)
    return min(silence(s), s.at - s.busy_at)


def has_heartbeat(s: Snapshot, limit: float) -> bool:
    """Whether the time of the last progress is known.

    By a heartbeat or a log line; without either, by a capture from before the limit.
    """
    if s.pulses or s.console_lines or s.train_lines:
        return True
    return bool(s.stacks) and s.stacks[0].at - s.progress_at < limit


def sample(s: Snapshot, stack: tuple[Frame, ...]) -> str:
    """The sample that a stack is loading: its index and, where it is known, its file."""
    index = next((frame.sample for frame in stack if frame.sample is not None), None)
    if index is None:
        return ""
    name = f"index {index}"
    return next((text for text in s.awaited if text.startswith(f"{name}:")), name)


# --- what a process does -------------------------------------------------------------------------


def sleeps(s: Snapshot, pid: int) -> bool:
    """Whether a process sleeps without using the CPU."""
    process = s.process.get(pid)
    if process is None or process.status not in ("sleeping", "idle"):
        return False
    return s.activity is None or s.activity.by_pid.get(pid, 0.0) <= ASLEEP_CPU


_LOCK_WAITS = ("futex", "lock_inode_wait", "fcntl_setlk", "sys_flock", "lock_file_wait")


_WAITS_OF_LOCKS = (ThreadWait.OBJECT, ThreadWait.ADDRESS)


def waits_for_a_lock(wchan: str) -> bool:
    """Whether a kernel function is a wait for a lock: of memory, a semaphore, or a file."""
    return wchan.startswith("sem") or any(part in wchan for part in _LOCK_WAITS)


def is_at_a_lock(s: Snapshot, stack: ThreadStack) -> bool:
    """Whether a process sleeps at a lock: by the wait channel, else by frames and source line."""
    process = s.process.get(stack.pid)
    if process is None:
        return False
    if process.wchan:
        return waits_for_a_lock(process.wchan)
    if process.wait not in (None, *_WAITS_OF_LOCKS) or _computes(s, stack.pid):
        return False
    return waits.of(stack.frames) is Wait.LOCK


def _computes(s: Snapshot, pid: int) -> bool:
    """Whether a process uses the CPU: its line is reached again and again, it does not wait."""
    return s.activity is not None and s.activity.by_pid.get(pid, 0.0) >= RUNS


def state(s: Snapshot, pid: int) -> str:
    """What a process does, in words."""
    process = s.process.get(pid)
    if process is None:
        return "its state could not be read"
    cpu = s.activity.by_pid.get(pid) if s.activity is not None else None
    io = s.activity.io_by_pid.get(pid) if s.activity is not None else None
    words = process.status + (f" in {process.wchan}" if process.wchan else "")
    words += "" if cpu is None else f", {cpu * 100:.0f} % of a core"
    return words + ("" if io is None else f", {units.size(io)}/s of I/O")


def on_windows(s: Snapshot) -> bool:
    """Whether the training is known to run on Windows."""
    if s.config is not None and s.config.platform:
        return s.config.platform.startswith("win")
    return any(_PROGRAM.search(process.command) for process in s.process.values())


def names(pids: Iterator[int] | list[int] | tuple[int, ...]) -> str:
    """Pids in a line, bounded: of a tree with a hundred workers the first ones."""
    all_pids = list(pids)
    shown = ", ".join(map(str, all_pids[:8]))
    return shown + (f" and {len(all_pids) - 8} more" if len(all_pids) > 8 else "")
