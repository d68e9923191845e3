"""The activity of a process tree between two samples. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dualwatch.events import ProcessesSampled, ProcessSample

BUSY_CPU = 0.05
"""Share of one core. A hung main process that polls every 5 s uses less than 0.001."""

BUSY_IO = 64 * 1024
"""Bytes a second, pipes and page cache included."""

STOPPED = frozenset(("stopped", "tracing-stop"))
"""By a signal or by a debugger."""

DISK_SLEEP = "disk-sleep"
"""Uninterruptible: not even SIGKILL ends such a process before its I/O returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a tree did between two samples.

    Attributes:
        at: When the newer sample was taken.
        cpu: Cores used on average; None where it could not be read.
        io: Bytes a second; None where it could not be read.
        cpu_wait: Cores that it was ready to use and did not get, on average; None where the
            system does not count that.
        by_pid: Cores used by each process that is in both samples.
        io_by_pid: Bytes a second of each process.
        wait_by_pid: Cores that each process was ready to use and did not get.
        still_d: Processes in disk sleep in both samples without CPU or I/O in between, with the
            time since which that is known.
        stopped: Processes stopped by a signal or a debugger.
    """

    seconds: float
    cpu: float | None
    io: float | None
    by_pid: dict[int, float]
    io_by_pid: dict[int, float] = field(default_factory=dict)
    at: float = 0.0
    still_d: Mapping[int, float] = field(default_factory=dict)
    stopped: tuple[int, ...] = ()
    cpu_wait: float | None = None
    wait_by_pid: Mapping[int, float] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether activity was seen, or its absence proves nothing.

        Unreadable counters do not prove idleness, a stopped process cannot work, and one that
        waits for a CPU of a crowded machine is not to blame for it.
        """
        if self.cpu is None or self.stopped:
            return True
        return self.cpu + (self.cpu_wait or 0.0) > BUSY_CPU or (self.io or 0.0) > BUSY_IO


def measure(
    before: ProcessesSampled | None, now: ProcessesSampled, earlier: Activity | None = None
) -> Activity | None:
    """Activity between two samples; None where there is no earlier one to compare with.

    Args:
        earlier: What was measured up to ``before``; lets a disk sleep be followed further back.
    """
    if before is None or now.at <= before.at:
        return None
    seconds = now.at - before.at
    known_before = {(p.pid, p.create_time): p for p in before.processes}
    pairs = [(known_before.get((p.pid, p.create_time)), p) for p in now.processes]
    cpus = {p.pid: _delta(old, p) for old, p in pairs if p.status != "zombie"}
    known = {pid: value / seconds for pid, value in cpus.items() if value is not None}
    ios = {
        p.pid: (p.io_bytes - (old.io_bytes or 0 if old else 0)) / seconds
        for old, p in pairs
        if p.io_bytes is not None
    }
    waits = {
        p.pid: (p.cpu_wait_s - (old.cpu_wait_s or 0.0 if old else 0.0)) / seconds
        for old, p in pairs
        if p.cpu_wait_s is not None
    }
    follows = earlier is not None and earlier.at == before.at
    since = earlier.still_d if earlier is not None and follows else {}
    return Activity(
        seconds=seconds,
        cpu=sum(known.values()) if len(known) == len(cpus) and cpus else None,
        io=sum(ios.values()) if ios else None,
        by_pid=known,
        io_by_pid=ios,
        at=now.at,
        still_d={
            p.pid: since.get(p.pid, before.at)
            for old, p in pairs
            if old is not None and _sleeps_on(old, p, known.get(p.pid), ios.get(p.pid))
        },
        stopped=tuple(p.pid for p in now.processes if p.status in STOPPED),
        cpu_wait=sum(waits.values()) if waits else None,
        wait_by_pid=waits,
    )


def _delta(old: ProcessSample | None, new: ProcessSample) -> float | None:
    if new.cpu_s is None:
        return None
    if old is None:
        return new.cpu_s  # Started in between: all of its time counts.
    return None if old.cpu_s is None else new.cpu_s - old.cpu_s


def _sleeps_on(old: ProcessSample, new: ProcessSample, cpu: float | None, io: float | None) -> bool:
    """Whether a process is still in the same disk sleep.

    A slow disk that responds shows as CPU or bytes between two samples.
    """
    both = old.status == new.status == DISK_SLEEP and old.wchan == new.wchan
    return both and (cpu is None or cpu <= BUSY_CPU) and not io
