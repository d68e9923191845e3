"""CPU that a training's processes use of what they may use, while it trains. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dualwatch.core import cpu_list
from dualwatch.events import ProcessesSampled
from dualwatch.state.activity import Activity

KEPT = 12
"""Samples that are kept, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuUse:
    """What loader workers, and processes that share their CPUs, used between two samples.

    Attributes:
        workers: Loader workers.
        mask: CPUs that the workers may use, all together.
        main_mask: CPUs that the main process may use.
        by_workers: Cores used by the workers, on average.
        by_tree: Cores used by all processes of the training.
        waited: Cores that the workers were ready to use and did not get; None where not counted.
    """

    wall: float
    workers: int
    mask: str
    main_mask: str
    by_workers: float
    by_tree: float
    waited: float | None

    @property
    def cpus(self) -> int:
        """How many CPUs the workers share."""
        return len(cpu_list.parsed(self.mask))


def used(event: ProcessesSampled, activity: Activity) -> CpuUse | None:
    """The use up to a sample; None without workers, or where their CPUs are not known."""
    workers = [p for p in event.processes if p.role == "worker" and p.status != "zombie"]
    main = next((p for p in event.processes if p.role in ("main", "rank")), None)
    if not workers or main is None or activity.cpu is None:
        return None
    if not main.cpus or not all(p.cpus and p.pid in activity.by_pid for p in workers):
        return None
    waits = [activity.wait_by_pid.get(p.pid) for p in workers]
    known = [wait for wait in waits if wait is not None]
    return CpuUse(
        wall=event.wall,
        workers=len(workers),
        mask=cpu_list.of(cpu for p in workers for cpu in cpu_list.parsed(p.cpus)),
        main_mask=main.cpus,
        by_workers=sum(activity.by_pid[p.pid] for p in workers),
        by_tree=activity.cpu,
        waited=sum(known) if len(known) == len(workers) else None,
    )
