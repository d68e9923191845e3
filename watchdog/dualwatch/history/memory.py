"""Memory over time: of the devices, of the training's processes, of the machine. A view."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from dualwatch.events import Event, GpusSampled, HostSampled, ProcessesSampled
from dualwatch.history.run import AttemptHistory

MAIN, WORKERS, OTHERS = "main and ranks", "loader workers", "other processes"
_GROUPS = {"main": MAIN, "rank": MAIN, "worker": WORKERS}


@dataclass(slots=True)
class MemoryLine:
    """One quantity: wall times, attempts and bytes; ``limit`` is what there is of it at most."""

    walls: list[float] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    limit: float | None = None

    def add(self, wall: float, attempt: int, value: float) -> None:
        """Appends a value."""
        self.walls.append(wall)
        self.attempts.append(attempt)
        self.values.append(value)


@dataclass(slots=True)
class MemoryHistory:
    """Samples of memory; what could not be read has no value, and is not 0.

    Attributes:
        gpus: "GPU 0" -> used bytes of the whole device.
        trees: "GPU 0" -> bytes of it that the training held.
        processes: Group of processes -> resident bytes, summed.
        host: "machine" and "container" -> used bytes.
        names: "GPU 0" -> what it is.
        unread: Samples of processes whose size could not be read.
    """

    gpus: dict[str, MemoryLine] = field(default_factory=dict)
    trees: dict[str, MemoryLine] = field(default_factory=dict)
    processes: dict[str, MemoryLine] = field(default_factory=dict)
    host: dict[str, MemoryLine] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    unread: int = 0

    kinds: ClassVar[tuple[type[Event], ...]] = (GpusSampled, ProcessesSampled, HostSampled)

    def take(self, event: Event, attempt: AttemptHistory) -> None:
        """Folds one more sample."""
        if isinstance(event, GpusSampled):
            self._gpus(event, attempt.number)
        elif isinstance(event, ProcessesSampled):
            self._processes(event, attempt.number)
        elif isinstance(event, HostSampled):
            self._host(event, attempt.number)

    def _gpus(self, event: GpusSampled, attempt: int) -> None:
        for gpu in event.gpus:
            name = f"GPU {gpu.index}"
            self.names[name] = gpu.name
            if gpu.used is not None:
                line = self.gpus.setdefault(name, MemoryLine())
                line.add(event.wall, attempt, gpu.used)
                line.limit = gpu.total
            if gpu.tree is not None:
                self.trees.setdefault(name, MemoryLine()).add(event.wall, attempt, gpu.tree)

    def _processes(self, event: ProcessesSampled, attempt: int) -> None:
        """Pages that processes share are counted in each of them."""
        sums: dict[str, float] = {}
        for process in event.processes:
            if process.rss is None:
                self.unread += 1
                continue
            group = _GROUPS.get(process.role, OTHERS)
            sums[group] = sums.get(group, 0.0) + process.rss
        for group in (MAIN, WORKERS, OTHERS):
            if group in sums or (group in self.processes and sums):
                line = self.processes.setdefault(group, MemoryLine())
                line.add(event.wall, attempt, sums.get(group, 0.0))

    def _host(self, event: HostSampled, attempt: int) -> None:
        if event.memory_total is not None and event.memory_available is not None:
            line = self.host.setdefault("machine", MemoryLine())
            line.add(event.wall, attempt, event.memory_total - event.memory_available)
            line.limit = event.memory_total
        if event.cgroup_limit is not None and event.cgroup_used is not None:
            line = self.host.setdefault("container", MemoryLine())
            line.add(event.wall, attempt, event.cgroup_used)
            line.limit = event.cgroup_limit
