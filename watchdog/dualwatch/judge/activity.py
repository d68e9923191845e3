"""Two samples of a process tree: did it work in between? Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from dualwatch.facts import ProcessesSampled, ProcessSample

BUSY_CPU = 0.05
"""Share of one core. A hung main wakes up every 5 s to look: below 0.001."""

BUSY_IO = 64 * 1024
"""Bytes a second, pipes and page cache included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a tree did between two samples.

    Attributes:
        cpu: Cores used on average; None where it could not be read.
        io: Bytes a second; None where it could not be read.
        by_pid: Cores used by each process that is in both samples.
        io_by_pid: Bytes a second of each process.
    """

    seconds: float
    cpu: float | None
    io: float | None
    by_pid: dict[int, float]
    io_by_pid: dict[int, float] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether work was seen. What could not be read is no proof of idleness."""
        if self.cpu is None:
            return True
        return self.cpu > BUSY_CPU or (self.io is not None and self.io > BUSY_IO)


def measure(before: ProcessesSampled | None, now: ProcessesSampled) -> Activity | None:
    """Activity between two samples; None where there is no earlier one to compare with."""
    if before is None or now.at <= before.at:
        return None
    seconds = now.at - before.at
    earlier = {(p.pid, p.create_time): p for p in before.processes}
    pairs = [(earlier.get((p.pid, p.create_time)), p) for p in now.processes]
    cpus = {p.pid: _delta(old, p) for old, p in pairs if p.status != "zombie"}
    known = {pid: value / seconds for pid, value in cpus.items() if value is not None}
    ios = {
        p.pid: (p.io_bytes - (old.io_bytes or 0 if old else 0)) / seconds
        for old, p in pairs
        if p.io_bytes is not None
    }
    return Activity(
        seconds=seconds,
        cpu=sum(known.values()) if len(known) == len(cpus) and cpus else None,
        io=sum(ios.values()) if ios else None,
        by_pid=known,
        io_by_pid=ios,
    )


def _delta(old: ProcessSample | None, new: ProcessSample) -> float | None:
    if new.cpu_s is None:
        return None
    if old is None:
        return new.cpu_s  # Started in between: all of its time counts.
    return None if old.cpu_s is None else new.cpu_s - old.cpu_s
