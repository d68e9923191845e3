"""Evidence from the host events: OOM kills, memory, shared memory, disk, open files. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from dualwatch.core.units import MIB, size
from dualwatch.events import Evidence, HostSampled
from dualwatch.state.snapshot import Snapshot

SCARCE_SHM = (0.05, 64 * MIB)
SCARCE_DISK = (0.01, 500 * MIB)
"""Free share and free bytes; scarce is below both, since large file systems have small shares."""

SCARCE_MEMORY = 0.03
"""Free share of the machine's, or of the container's, memory."""

# "Killed process 12 (python)", in older kernels "Kill process 12"; the summary of newer kernels;
# the reaper, whose line remains when the others have left the ring buffer.
_OOM_KILL = re.compile(
    r"Kill(?:ed)? process (\d+)|oom-kill:.*?\bpid=(\d+)|oom_reaper: reaped process (\d+)"
)


_KERNEL_TIME = re.compile(r"\[ *(\d+\.\d+)\]")

AROUND_S = 300.0
"""Seconds before a training's start and after its last sign in which a kernel line is its own."""


class OomKill(NamedTuple):
    """An OOM kill: its evidence, and the confidence that it hit this training."""

    evidence: list[Evidence]
    confidence: float


def oom_kill(s: Snapshot, pids: Collection[int]) -> OomKill | None:
    """Whether the kernel's out-of-memory killer ended one of these processes.

    In a container the kernel numbers processes differently. There the counter of the training's
    cgroup decides, and a kernel line with one of its pids proves little. The kernel log is of the
    whole machine: an unchanged counter rules out an OOM kill of this training.
    """
    host = s.host
    if host is None or _is_unchanged(s):
        return None
    fresh = [line for line in fresh_kernel_lines(s) if _killed(line) is not None]
    named = [
        line
        for line in host.kernel
        if _killed(line) in pids and (line in fresh or is_of_its_time(line, s))
    ]
    grown = _grown(s)
    if named and (not host.container or set(named) & set(fresh)):
        return OomKill([_kernel(named[-1], host), *grown], 0.97)
    if grown:
        return OomKill([*grown, *(_kernel(line, host) for line in fresh[-1:])], 0.9)
    if host.container and (named or fresh):
        return OomKill([_kernel((named or fresh)[-1], host)], 0.6)
    return None


def is_of_its_time(line: str, s: Snapshot) -> bool:
    """Whether a kernel line is from the time of the training: pids come again.

    True where either time is not known. The kernel does not count the time of a suspended machine.
    """
    match = _KERNEL_TIME.match(line)
    begun = s.started.wall if s.started is not None else None
    if match is None or begun is None or s.host is None or s.host.booted is None:
        return True
    ended = s.ended.wall if s.ended is not None else s.wall
    return begun - AROUND_S <= s.host.booted + float(match[1]) <= max(ended, begun) + AROUND_S


def fresh_kernel_lines(s: Snapshot) -> list[str]:
    """Kernel lines since the first sample; none where there was only one sample."""
    if s.host is None or s.host_before is None or s.host is s.host_before:
        return []
    known = frozenset(s.host_before.kernel)
    return [line for line in s.host.kernel if line not in known]


def kernel_silence(s: Snapshot) -> Evidence:
    """Why no kernel line is quoted: not read, not readable, or none names this training."""
    unread = next((f for what, f in s.not_observed.items() if what.startswith("kernel")), None)
    if unread is not None:
        text = f"the kernel log could not be read: {unread.why}"
        return Evidence(text=text, source="kernel", wall=unread.wall)
    if s.host is None:
        return Evidence(text="the kernel log was not read", source="kernel")
    text = "the kernel log names no process of this training"
    return Evidence(text=text, source="kernel", wall=s.host.wall)


def shared_memory(host: HostSampled | None) -> list[Evidence]:
    """The size of /dev/shm; nothing where it is not known."""
    if host is None or host.shm_total is None:
        return []
    free = "" if host.shm_free is None else f", {size(host.shm_free)} free"
    return [_host(f"/dev/shm: {size(host.shm_total)} in total{free}", host)]


def disk(host: HostSampled | None) -> list[Evidence]:
    """The free space on the file system of the work dir."""
    if host is None or host.disk_free is None or not host.disk_total:
        return []
    text = f"{host.disk or 'work dir'}: {size(host.disk_free)} free of {size(host.disk_total)}"
    return [_host(text, host)]


def memory(host: HostSampled | None) -> list[Evidence]:
    """The memory of the machine, what Windows can still promise, and the container's or job's."""
    if host is None:
        return []
    lines = []
    if host.memory_available is not None and host.memory_total:
        lines.append(
            f"memory: {size(host.memory_available)} available of {size(host.memory_total)}"
        )
    lines += _commit(host)
    if host.cgroup_used is not None and host.cgroup_limit:
        kind = host.container or "this job"
        lines.append(
            f"memory of {kind}: {size(host.cgroup_used)} used of {size(host.cgroup_limit)}"
        )
    return [_host(line, host) for line in lines]


def _commit(host: HostSampled) -> list[str]:
    """The commit charge; the paging file is what its limit has beyond the memory."""
    if host.commit_used is None or not host.commit_limit:
        return []
    text = f"commit charge: {size(host.commit_used)} used of {size(host.commit_limit)}"
    if host.memory_total:
        paging = max(0, host.commit_limit - host.memory_total)
        text += f" (paging file: {size(paging)})"
    return [text]


def open_files(s: Snapshot) -> list[Evidence]:
    """The processes with the most open files, and the limit where it is theirs."""
    if s.processes is None:
        return []
    lines = []
    if s.host is not None and s.host.open_files_limit and s.host.at <= s.processes.at:
        lines.append(_host(f"limit: {s.host.open_files_limit} open files", s.host))
    counted = [(p.open_files, p) for p in s.processes.processes if p.open_files is not None]
    counted.sort(key=lambda pair: -pair[0])
    held = ", ".join(f"{p.role} {p.pid}: {count}" for count, p in counted[:3])
    if held:
        text = f"open files, most first: {held}"
        lines.append(Evidence(text=text, source="processes", wall=s.processes.wall))
    return lines


def is_scarce(free: int | None, total: int | None, bounds: tuple[float, int]) -> bool:
    """Whether a file system is nearly full; False where that is not known."""
    share, least = bounds
    return free is not None and bool(total) and free < share * (total or 0) and free < least


def _killed(line: str) -> int | None:
    match = _OOM_KILL.search(line)
    return int(next(number for number in match.groups() if number)) if match else None


def _is_unchanged(s: Snapshot) -> bool:
    """Whether the cgroup's counter of OOM kills did not change between two samples."""
    before, now = _counters(s)
    return s.host is not s.host_before and before is not None and now == before


def _counters(s: Snapshot) -> tuple[int | None, int | None]:
    """The cgroup's counter of OOM kills in the first sample, and in the last."""
    before = s.host_before.cgroup_oom_kills if s.host_before is not None else None
    return before, s.host.cgroup_oom_kills if s.host is not None else None


def _grown(s: Snapshot) -> list[Evidence]:
    """The cgroup's counter of OOM kills, if it has grown since the first sample."""
    before, now = _counters(s)
    if now is None or before is None or now <= before or s.host is None:
        return []
    text = f"OOM kills in this cgroup: {before} before, {now} now"
    return [Evidence(text=text, source="cgroup", wall=s.host.wall)]


def _kernel(line: str, host: HostSampled) -> Evidence:
    return Evidence(text=line, source="kernel", wall=host.wall)


def _host(text: str, host: HostSampled) -> Evidence:
    return Evidence(text=text, source="host", wall=host.wall)
