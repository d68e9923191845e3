"""DW506: loader workers share fewer CPUs than they need, and the training waits for them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from dualwatch.core import cpu_list
from dualwatch.core.units import counted
from dualwatch.events import Circumstance, Evidence, Finding
from dualwatch.rules.catalog import finding
from dualwatch.rules.metrics import speed
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.cpu_use import CpuUse
from dualwatch.state.snapshot import Snapshot

SAMPLES = 5
"""Samples of the processes while it trains."""

ALL_OF_IT = 0.85
"""Share of the allowed CPUs from which they are used up."""


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """The affinity mask, or the quota, that holds the workers back."""
    seen = speed.measured(s)
    if seen is None or not seen.waits or len(s.cpu_uses) < SAMPLES:
        return
    yield from _by_mask(s, seen) or _by_quota(s, seen)


def _by_mask(s: Snapshot, seen: speed.Speed) -> list[Finding]:
    """Fewer CPUs in the workers' masks than workers, and than the machine has."""
    newest = s.cpu_uses[-1]
    machine = s.host.machine_cpus if s.host is not None else None
    used = median(use.by_workers for use in s.cpu_uses)
    if any(use.mask != newest.mask or use.workers <= use.cpus for use in s.cpu_uses):
        return []
    uses_all = used >= ALL_OF_IT * newest.cpus
    if machine is None or newest.cpus >= machine or not (uses_all or _all_want_one(s.cpu_uses)):
        return []
    workers = f"{newest.workers} loader workers"
    text = (
        f"{workers} share {counted(newest.cpus, 'CPU')} ({newest.mask}) of the machine's {machine} "
        f"and use {used:.2f} of them"
    )
    pinned = cpu_list.parsed(newest.mask) < cpu_list.parsed(newest.main_mask)
    main = f"the main process may use CPUs {newest.main_mask}"
    whose = "the workers were pinned after their start" if pinned else "the whole training has it"
    evidence = [
        Evidence(text=text, source="processes", wall=newest.wall),
        Evidence(text=f"affinity mask: {main}, {whose}", source="processes", wall=newest.wall),
        *_waited(s.cpu_uses),
        _waiting(s, seen),
    ]
    if not uses_all:
        text = "processes that are not of this training use these CPUs, too"
        evidence.append(Evidence(text=text, source="processes", wall=newest.wall))
    circumstance = Circumstance.PINNED_WORKERS if pinned else Circumstance.NARROW_MASK
    return [
        finding(
            "DW506",
            evidence,
            confidence=0.9 if uses_all else 0.6,
            circumstance=circumstance,
            attempt=s.attempt,
        )
    ]


def _by_quota(s: Snapshot, seen: speed.Speed) -> list[Finding]:
    """A CPU quota of the container or job that all processes of the training use up."""
    host, newest = s.host, s.cpu_uses[-1]
    quota = host.cpu_quota if host is not None else None
    used = median(use.by_tree for use in s.cpu_uses)
    # The main process waits for data, so the workers need a CPU each, and no more.
    if host is None or quota is None or any(use.workers <= quota for use in s.cpu_uses):
        return []
    if quota >= newest.cpus or used < ALL_OF_IT * quota:
        return []
    of = host.container or "this job"
    text = (
        f"the CPU quota of {of} is {quota:g} CPUs, of which the training uses {used:.2f}: "
        f"{newest.workers} loader workers need one each"
    )
    evidence = [
        Evidence(text=text, source="cgroup", wall=host.wall),
        *_waited(s.cpu_uses),
        _waiting(s, seen),
    ]
    what = Circumstance.CPU_QUOTA
    return [finding("DW506", evidence, confidence=0.9, circumstance=what, attempt=s.attempt)]


def _all_want_one(uses: tuple[CpuUse, ...]) -> bool:
    """Whether nearly all workers are always running or ready to run: none waits for storage."""
    waits = [use.waited for use in uses]
    wanted = [use.by_workers + wait for use, wait in zip(uses, waits, strict=True) if wait]
    return len(wanted) == len(uses) and median(wanted) >= ALL_OF_IT * uses[-1].workers


def _waited(uses: tuple[CpuUse, ...]) -> list[Evidence]:
    waits = [use.waited for use in uses if use.waited is not None]
    if not waits or median(waits) < 0.1:
        return []
    text = f"on average {median(waits):.2f} workers are ready to run and get no CPU"
    return [Evidence(text=text, source="processes", wall=uses[-1].wall)]


def _waiting(s: Snapshot, seen: speed.Speed) -> Evidence:
    share = 100 * (seen.share or 0)
    text = f"the training waits for data for {share:.0f} % of its time"
    return Evidence(text=text, source=s.log, wall=s.last_train.wall if s.last_train else None)
