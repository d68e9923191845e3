"""Memory of a training over its iterations, in bounded space. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from dualwatch.events import GpusSampled, ProcessesSampled

POINTS = 64
"""Points kept at most; above it two neighbours become one."""

_GROUPS = ("main", "rank", "worker")


class TrainedSoFar(NamedTuple):
    """Where a training is: epochs and iterations completed; the epoch is None where not known."""

    epoch: int | None
    iteration: int


class MemoryPoint(NamedTuple):
    """Bytes after so many iterations.

    Attributes:
        processes: Of the training's own processes; 0 for a device.
        main: Bytes of main process and ranks, of a device all.
        workers: Bytes of the loader workers.
        others: Bytes of all other processes of the tree.
    """

    at: float
    wall: float
    epoch: int | None
    iteration: int
    processes: int
    main: int
    workers: int = 0
    others: int = 0

    @property
    def total(self) -> int:
        """Bytes of all."""
        return self.main + self.workers + self.others


class MemoryTrace(NamedTuple):
    """Memory from the first iteration on, however many there were.

    Attributes:
        points: The lowest of ``width`` samples each: what is given back does not count.
        filling: The lowest of the ``held`` samples after them.
        newest: The newest sample.
    """

    points: tuple[MemoryPoint, ...] = ()
    filling: MemoryPoint | None = None
    held: int = 0
    width: int = 1
    newest: MemoryPoint | None = None

    @property
    def all(self) -> tuple[MemoryPoint, ...]:
        """All points, the newest last."""
        return self.points if self.filling is None else (*self.points, self.filling)

    def with_point(self, point: MemoryPoint) -> MemoryTrace:
        """This trace and one more sample; one without a further iteration adds nothing."""
        if self.newest is not None and point.iteration <= self.newest.iteration:
            return self
        if self.filling is not None and self.held < self.width:
            lower = min(self.filling, point, key=lambda one: one.total)
            return self._replace(filling=lower, held=self.held + 1, newest=point)
        full, width = self.all, self.width
        if len(full) >= POINTS:
            pairs = zip(full[::2], full[1::2], strict=True)
            full = tuple(min(pair, key=lambda one: one.total) for pair in pairs)
            width *= 2
        return MemoryTrace(full, point, 1, width, point)


@dataclass(frozen=True, slots=True)
class MemoryTraces:
    """The traces of one attempt.

    Attributes:
        host: Of the training's processes; without samples where the system does not show it.
        gpus: Device -> what the training holds of it.
    """

    host: MemoryTrace = field(default_factory=MemoryTrace)
    gpus: Mapping[int, MemoryTrace] = field(default_factory=dict)

    def with_processes(self, event: ProcessesSampled, where: TrainedSoFar) -> MemoryTraces:
        """After a sample of the tree; one that lacks a process's memory shows nothing."""
        own = [p for p in event.processes if p.status != "zombie"]
        if not own or any(p.held is None for p in own if p.role in _GROUPS):
            return self
        sums = {"worker": 0, "main": 0, "other": 0}
        for process in own:
            role = "main" if process.role == "rank" else process.role
            sums[role if role in sums else "other"] += process.held or 0
        point = MemoryPoint(
            event.at,
            event.wall,
            where.epoch,
            where.iteration,
            sum(p.role in _GROUPS for p in own),
            sums["main"],
            sums["worker"],
            sums["other"],
        )
        return replace(self, host=self.host.with_point(point))

    def with_gpus(self, event: GpusSampled, where: TrainedSoFar) -> MemoryTraces:
        """After a sample of the devices."""
        gpus = dict(self.gpus)
        for gpu in event.gpus:
            if gpu.tree:
                point = MemoryPoint(event.at, event.wall, where.epoch, where.iteration, 0, gpu.tree)
                gpus[gpu.index] = gpus.get(gpu.index, MemoryTrace()).with_point(point)
        return replace(self, gpus=gpus)
