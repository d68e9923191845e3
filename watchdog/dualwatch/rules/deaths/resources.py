"""Resources that run short while a training runs: DW302, DW303, DW311, DW402, DW403, DW501, DW502.

Warnings: nothing has died of them yet. What a training died of is in ``exit``, and is not repeated
here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dualwatch.core import shell, units
from dualwatch.events import Evidence, Finding, GpuHolder, GpuSample, ProcessSample, Severity
from dualwatch.logs import xid
from dualwatch.protocol import Phase
from dualwatch.rules.deaths import error_patterns, exit, host_evidence, quotes
from dualwatch.rules.deaths.host_evidence import (
    SCARCE_DISK,
    SCARCE_MEMORY,
    SCARCE_SHM,
    is_scarce,
)
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

NEARLY = 0.9
"""Share of the limit of open files from which a process is reported."""

HELD_SHARE = 0.1
HELD_BYTES = units.GIB
"""GPU memory held by other processes that is reported: either is enough."""

NAMED = 5

_LOST = re.compile(r"\blost\b|fallen off the bus|must be re(?:set|placed)|version mismatch", re.I)


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Findings about memory, files, disk and devices."""
    died_of = {found.code for found in exit.died(s, limits)}
    for found in (*_of_host(s), *_of_devices(s, "DW401" in died_of), *_orphans(s)):
        if found.code not in died_of:
            yield found


# --- the machine -----------------------------------------------------------------------------


def _of_host(s: Snapshot) -> Iterator[Finding]:
    host = s.host
    if host is None or s.ended is not None:
        return  # After the end of a training these belong to the next one.
    if is_scarce(host.shm_free, host.shm_total, SCARCE_SHM):
        met = any(error_patterns.recognise(error).code == "DW302" for error in s.errors)
        if met or _waits_for_workers(s):
            text = f"/dev/shm is nearly full: {units.size(host.shm_free or 0)} free"
            first = Evidence(text=text, source="host", wall=host.wall)
            evidence = [first, *host_evidence.shared_memory(host)]
            yield _warning(s, "DW302", evidence, 0.8 if met else 0.6)
    yield from _open_files(s)
    if is_scarce(host.disk_free, host.disk_total, SCARCE_DISK):
        text = f"the disk of the work dir is nearly full: {units.size(host.disk_free or 0)} free"
        first = Evidence(text=text, source="host", wall=host.wall)
        yield _warning(s, "DW502", [first, *host_evidence.disk(host)], 0.8)
    tight = []
    if _is_nearly_all(host.memory_total, host.memory_available):
        tight.append("memory of the machine is nearly used up")
    left = None if host.commit_used is None else (host.commit_limit or 0) - host.commit_used
    if _is_nearly_all(host.commit_limit, left):
        tight.append("memory that Windows can promise (commit limit) is nearly used up")
    left = None if host.cgroup_used is None else (host.cgroup_limit or 0) - host.cgroup_used
    if _is_nearly_all(host.cgroup_limit, left):
        tight.append(f"memory of {host.container or 'this job'} is nearly used up")
    if tight:
        first = Evidence(text="; ".join(tight), source="host", wall=host.wall)
        yield _warning(s, "DW501", [first, *host_evidence.memory(host), *_greatest(s)], 0.6)


def _is_nearly_all(total: int | None, left: int | None) -> bool:
    return bool(total) and left is not None and left < SCARCE_MEMORY * (total or 0)


def _waits_for_workers(s: Snapshot) -> bool:
    """Whether workers pass batches through shared memory now."""
    workers = any(process.role == "worker" for process in s.process.values())
    return workers and s.phase in (Phase.WAITING, Phase.VAL_WAITING)


def _open_files(s: Snapshot) -> Iterator[Finding]:
    limit = s.host.open_files_limit if s.host is not None else None
    if not limit:
        return
    counted = [(p.open_files or 0, p) for p in s.process.values()]
    count, process = max(counted, key=lambda pair: pair[0], default=(0, None))
    if process is None or count < NEARLY * limit:
        return
    text = f"{process.role} {process.pid} has {count} files open, its limit is {limit}"
    wall = s.processes.wall if s.processes is not None else None
    first = Evidence(text=text, source="processes", wall=wall)
    yield _warning(s, "DW303", [first, *host_evidence.open_files(s)], 0.8, process.pid)


def _greatest(s: Snapshot) -> list[Evidence]:
    """The processes of the training that use the most memory."""
    held = sorted(((p.rss or 0, p.role, p.pid) for p in s.process.values()), reverse=True)
    text = ", ".join(f"{role} {pid}: {units.size(rss)}" for rss, role, pid in held[:3] if rss)
    if not text or s.processes is None:
        return []
    return [
        Evidence(
            text=f"memory of this training's processes: {text}",
            source="processes",
            wall=s.processes.wall,
        )
    ]


# --- devices ---------------------------------------------------------------------------------


def _of_devices(s: Snapshot, out_of_memory: bool) -> Iterator[Finding]:
    yield from _lost(s)
    if s.gpus is None:
        return
    caught = any(error_patterns.recognise(error).code == "DW401" for error in s.errors)
    used = [gpu for gpu in s.gpus.gpus if (gpu.tree or 0) > 0 or any(h.ours for h in gpu.holders)]
    # Before the training uses a GPU, each may become its own.
    for gpu in used or s.gpus.gpus:
        evidence = _held(s, gpu)
        if not evidence:
            continue
        if out_of_memory or caught:
            yield quotes.found(s, "DW402", evidence, 0.9, Severity.ERROR)
        else:
            yield _warning(s, "DW402", evidence, 0.7)


def _held(s: Snapshot, gpu: GpuSample) -> list[Evidence]:
    """What other processes hold of a GPU, if that is much."""
    assert s.gpus is not None
    others = [holder for holder in gpu.holders if not holder.ours]
    in_a_container = s.host is None or s.host.container != ""
    if gpu.tree is None and in_a_container and not any(h.ours or h.name for h in gpu.holders):
        return []  # The driver's pids are of another namespace: they may be of this training.
    held = sum(holder.used or 0 for holder in others)
    if others and any(holder.used is None for holder in others) and gpu.used is not None:
        # The driver does not say how much each holds: what the training does not use is theirs.
        held = max(held, gpu.used - (gpu.tree or 0))
    much = held >= HELD_BYTES or (gpu.total is not None and held >= HELD_SHARE * gpu.total > 0)
    if not others or not much:
        return []
    of_total = f" of {units.size(gpu.total)}" if gpu.total is not None else ""
    lines = [f"{units.size(held)}{of_total} of GPU {gpu.index} are held outside this training"]
    lines += [_holder(holder) for holder in others[:NAMED]]
    if len(others) > NAMED:
        lines.append(f"and {len(others) - NAMED} more processes")
    return [Evidence(text=line, source="NVML", wall=s.gpus.wall) for line in lines]


def _holder(holder: GpuHolder) -> str:
    held = units.size(holder.used) if holder.used is not None else "an unknown amount"
    name = holder.name or "not visible: dead, or in another container"
    return f"pid {holder.pid} holds {held}: {name}"


def _lost(s: Snapshot) -> Iterator[Finding]:
    """A GPU that is lost, or whose memory has errors, by the driver and the kernel."""
    fatal: list[Evidence] = []
    mild: list[Evidence] = []
    if s.gpus is not None:
        for gpu in s.gpus.gpus:
            for error in gpu.errors:
                evidence = Evidence(
                    text=f"GPU {gpu.index}: {error}", source="NVML", wall=s.gpus.wall
                )
                (fatal if _LOST.search(error) else mild).append(evidence)
    silent = s.not_observed.get("gpu")
    if silent is not None and _LOST.search(silent.why):
        fatal.append(Evidence(text=silent.why, source="NVML", wall=silent.wall))
    fresh = frozenset(host_evidence.fresh_kernel_lines(s))
    for line in s.host.kernel if s.host is not None else ():
        if line not in fresh and not host_evidence.is_of_its_time(line, s):
            continue
        evidence = Evidence(text=line, source="kernel", wall=s.host.wall if s.host else None)
        if xid.is_fatal(line) and (fatal or line in fresh):
            fatal.append(evidence)
        elif xid.number(line) in xid.FATAL | xid.MEMORY:
            # The GPU may have been reset since: for one that responds, this is a warning.
            mild.append(evidence)
    if fatal:
        yield quotes.found(s, "DW403", [*fatal, *mild][:10], 0.95, Severity.CRITICAL)
    elif mild:
        yield _warning(s, "DW403", mild[-10:], 0.5)


# --- orphans ---------------------------------------------------------------------------------


def _orphans(s: Snapshot) -> Iterator[Finding]:
    if s.orphans is None or not s.orphans.processes:
        return
    orphans = s.orphans.processes
    pids = " ".join(str(process.pid) for process in orphans)
    many, are = ("process", "is") if len(orphans) == 1 else ("processes", "are")
    text = f"{len(orphans)} {many} of an earlier training {are} still alive: pid {pids}"
    lines = [text, *(_orphan(s, process) for process in orphans[:NAMED])]
    evidence = [Evidence(text=line, source="processes", wall=s.orphans.wall) for line in lines]
    remedy = f"End them if nothing else needs them: {shell.end(p.pid for p in orphans)}"
    yield quotes.found(s, "DW311", evidence, 0.95, pid=orphans[0].pid, remedy=remedy)


def _orphan(s: Snapshot, process: ProcessSample) -> str:
    since = units.clock(process.create_time)
    held = [f"{units.size(process.rss)} of memory"] if process.rss else []
    if process.open_files:
        held.append(f"{process.open_files} open files")
    for gpu in s.gpus.gpus if s.gpus is not None else ():
        for holder in gpu.holders:
            if holder.pid == process.pid:
                much = units.size(holder.used) if holder.used is not None else "memory"
                held.append(f"{much} of GPU {gpu.index}")
    what = f", holds {', '.join(held)}" if held else ""
    return f"{process.role} {process.pid}, since {since}{what}: {process.command}"


# --- all -------------------------------------------------------------------------------------


def _warning(
    s: Snapshot, code: str, evidence: list[Evidence], confidence: float, pid: int | None = None
) -> Finding:
    return quotes.found(s, code, evidence, confidence, Severity.WARNING, pid=pid)
