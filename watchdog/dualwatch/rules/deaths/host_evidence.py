"""What the machine around a training tells of a death: evidence out of the host's events. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from dualwatch.core.units import MIB, size
from dualwatch.events import Evidence, HostSampled
from dualwatch.state.snapshot import Snapshot

SCARCE_SHM = (0.05, 64 * MIB)
SCARCE_DISK = (0.01, 500 * MIB)
"""Free share and free bytes, both of which must be undercut: big file systems have small shares."""

SCARCE_MEMORY = 0.03
"""Free share of the machine's, or of the container's, memory."""

# "Killed process 12 (python)", in older kernels "Kill process 12"; the summary of newer ones; the
# reaper, whose line stays when the others have left the ring.
_OOM_KILL = re.compile(
    r"Kill(?:ed)? process (\d+)|oom-kill:.*?\bpid=(\d+)|oom_reaper: reaped process (\d+)"
)


class OomKill(NamedTuple):
    """The kernel killed a process for memory: what says so, and how surely it was one of ours."""

    evidence: list[Evidence]
    confidence: float


def oom_kill(s: Snapshot, pids: Collection[int]) -> OomKill | None:
    """Whether the kernel's out-of-memory killer ended one of these processes.

    In a container the kernel counts processes by other numbers than we do. There the counter of
    our own cgroup is the witness, and a line about a process with our number proves little. The
    kernel's log is the whole machine's: a counter that stands still acquits, whatever a neighbour
    was killed for.
    """
    host = s.host
    if host is None or _stands_still(s):
        return None
    named = [line for line in host.kernel if _killed(line) in pids]
    fresh = [line for line in fresh_kernel_lines(s) if _killed(line) is not None]
    grown = _grown(s)
    if named and (not host.container or set(named) & set(fresh)):
        return OomKill([_kernel(named[-1], host), *grown], 0.97)
    if grown:
        return OomKill([*grown, *(_kernel(line, host) for line in fresh[-1:])], 0.9)
    if host.container and (named or fresh):
        return OomKill([_kernel((named or fresh)[-1], host)], 0.6)
    return None


def fresh_kernel_lines(s: Snapshot) -> list[str]:
    """Lines of the kernel that came since the first look; none where there was but one."""
    if s.host is None or s.host_before is None or s.host is s.host_before:
        return []
    known = frozenset(s.host_before.kernel)
    return [line for line in s.host.kernel if line not in known]


def kernel_silence(s: Snapshot) -> Evidence:
    """Why no word of the kernel is quoted: it was not asked, did not answer, or names nobody."""
    unread = next((f for what, f in s.not_observed.items() if what.startswith("kernel")), None)
    if unread is not None:
        text = f"the kernel's log could not be read: {unread.why}"
        return Evidence(text=text, source="kernel", wall=unread.wall)
    if s.host is None:
        return Evidence(text="the kernel's log was not looked at", source="kernel")
    text = "the kernel's log names no process of this training"
    return Evidence(text=text, source="kernel", wall=s.host.wall)


def shared_memory(host: HostSampled | None) -> list[Evidence]:
    """The size of /dev/shm in words; nothing where it is not known."""
    if host is None or host.shm_total is None:
        return []
    free = "" if host.shm_free is None else f", {size(host.shm_free)} free when looked at"
    return [_host(f"/dev/shm: {size(host.shm_total)} in all{free}", host)]


def disk(host: HostSampled | None) -> list[Evidence]:
    """The room on the file system of the work dir in words."""
    if host is None or host.disk_free is None or not host.disk_total:
        return []
    text = f"{host.disk or 'work dir'}: {size(host.disk_free)} free of {size(host.disk_total)}"
    return [_host(text, host)]


def memory(host: HostSampled | None) -> list[Evidence]:
    """The memory of the machine and of our container in words."""
    if host is None:
        return []
    lines = []
    if host.memory_available is not None and host.memory_total:
        lines.append(
            f"memory: {size(host.memory_available)} available of {size(host.memory_total)}"
        )
    if host.cgroup_used is not None and host.cgroup_limit:
        kind = host.container or "this job"
        lines.append(
            f"memory of {kind}: {size(host.cgroup_used)} used of {size(host.cgroup_limit)}"
        )
    return [_host(line, host) for line in lines]


def open_files(s: Snapshot) -> list[Evidence]:
    """The processes with most open files, and the limit, as long as it was theirs that was read."""
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
    """Whether a file system is as good as full; False where that is not known."""
    share, least = bounds
    return free is not None and bool(total) and free < share * (total or 0) and free < least


def _killed(line: str) -> int | None:
    match = _OOM_KILL.search(line)
    return int(next(number for number in match.groups() if number)) if match else None


def _stands_still(s: Snapshot) -> bool:
    """Whether our cgroup lost nobody between two looks: the counter counts every kind of kill."""
    before, now = _counters(s)
    return s.host is not s.host_before and before is not None and now == before


def _counters(s: Snapshot) -> tuple[int | None, int | None]:
    """What the cgroup's counter of kills was at the first look, and at the last."""
    before = s.host_before.cgroup_oom_kills if s.host_before is not None else None
    return before, s.host.cgroup_oom_kills if s.host is not None else None


def _grown(s: Snapshot) -> list[Evidence]:
    """The cgroup's counter of kills, if it has grown since the first look."""
    before, now = _counters(s)
    if now is None or before is None or now <= before or s.host is None:
        return []
    text = f"processes of this cgroup that the kernel killed for memory: {before} before, {now} now"
    return [Evidence(text=text, source="cgroup", wall=s.host.wall)]


def _kernel(line: str, host: HostSampled) -> Evidence:
    return Evidence(text=line, source="kernel", wall=host.wall)


def _host(text: str, host: HostSampled) -> Evidence:
    return Evidence(text=text, source="host", wall=host.wall)
