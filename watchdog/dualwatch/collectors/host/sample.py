"""The machine around a training: memory, shared memory, disk, limits, container, kernel log."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TypeVar

from dualwatch.collectors.host import cgroups, commit, container, kernel_log
from dualwatch.core.deadline import TimedCall
from dualwatch.events import HostSampled, NotObserved

DISK_S = 2.0
"""Seconds to wait for a file system; that of a dead server never answers."""

_OPEN_FILES = re.compile(r"^Max open files\s+(\d+)", re.MULTILINE)
_T = TypeVar("_T")


def sample(
    folder: Path,
    pid: int | None,
    *,
    at: float,
    wall: float,
    kernel: bool = False,
    root: Path = Path("/"),
) -> tuple[HostSampled, list[NotObserved]]:
    """The machine as a training sees it now.

    Args:
        folder: Its work dir; the nearest folder above that exists tells of the disk.
        pid: The training's process, which may live in a container with other limits than ours;
            None looks at our own place.
        at, wall: Times of the events.
        kernel: Read the kernel's log, too, which takes longer.
        root: Where ``proc`` and the mounts of the control groups are found.

    Returns:
        What was seen, and what could not be observed and why.
    """
    process = "self" if pid is None else str(pid)
    refusals: list[tuple[str, str]] = []
    memory_total, memory_available = _memory()
    committed = commit.read()
    group = cgroups.memory(process, root)
    shm_total, shm_free = _shared_memory(process, root, refusals)
    place, disk_total, disk_free = _disk(folder, refusals)
    lines: tuple[str, ...] = ()
    if kernel:
        read, why = kernel_log.read(root / "dev" / "kmsg")
        lines = read or ()
        if why is not None:
            refusals.append(("kernel log", why))
    seen = HostSampled(
        at=at,
        wall=wall,
        cpus=_cpus(pid or 0, process, root),
        machine_cpus=os.cpu_count(),
        cpu_quota=cgroups.cpu_quota(process, root),
        memory_total=memory_total,
        memory_available=memory_available,
        commit_limit=committed.limit,
        commit_used=committed.used,
        cgroup_limit=group.limit,
        cgroup_used=group.used,
        cgroup_oom_kills=group.oom_kills,
        shm_total=shm_total,
        shm_free=shm_free,
        disk=place,
        disk_total=disk_total,
        disk_free=disk_free,
        open_files_limit=_open_files_limit(process, root),
        container=container.kind(process, root),
        kernel=lines,
        booted=round(wall - at, 1) if lines else None,
    )
    return seen, [NotObserved(at=at, wall=wall, what=what, why=why) for what, why in refusals]


def _memory() -> tuple[int | None, int | None]:
    """Bytes of the machine: all, and what can be had without swapping."""
    try:
        import psutil  # not at the top: it would slow every start of the program

        memory = psutil.virtual_memory()
        return int(memory.total), int(memory.available)
    except (OSError, RuntimeError, NotImplementedError, ValueError):
        return None, None


def _shared_memory(
    process: str, root: Path, refusals: list[tuple[str, str]]
) -> tuple[int | None, int | None]:
    """Bytes of /dev/shm as the process has it mounted: all, and free."""
    if not hasattr(os, "statvfs"):
        return None, None
    try:
        seen = os.statvfs(root / "proc" / process / "root" / "dev" / "shm")
    except PermissionError:
        # Ours would be a guess: a container's is 64 MB unless asked for more.
        why = "the process's own mounts may not be looked at; run dualwatch as its user or as root"
        refusals.append(("shared memory", why))
        return None, None
    except OSError:
        if (root / "proc" / process / "root").is_dir():
            return None, None  # it has none
        try:
            seen = os.statvfs(root / "dev" / "shm")  # it is gone
        except OSError:
            return None, None
    return seen.f_frsize * seen.f_blocks, seen.f_frsize * seen.f_bavail


def _disk(folder: Path, refusals: list[tuple[str, str]]) -> tuple[str, int | None, int | None]:
    """The folder that was looked at, and bytes of its file system: all, and free for us."""
    call = _calls.setdefault(str(folder), TimedCall("disk"))
    try:
        return call(lambda: _usage(folder), DISK_S)
    except TimeoutError:
        why = f"the file system of {folder} did not answer within {DISK_S:g} s"
        refusals.append(("disk", why))
    except (OSError, ValueError) as error:
        refusals.append(("disk", f"{folder}: {error}"))
    return str(folder), None, None


def _usage(folder: Path) -> tuple[str, int, int]:
    for place in (folder, *folder.absolute().parents):
        try:
            usage = shutil.disk_usage(place)
        except (FileNotFoundError, NotADirectoryError):
            continue
        return str(place), usage.total, usage.free
    raise FileNotFoundError(2, "no such folder, nor one above it")


_calls: dict[str, TimedCall] = {}


def _open_files_limit(process: str, root: Path) -> int | None:
    """Descriptors that the process may have, its soft limit."""
    try:
        limits = (root / "proc" / process / "limits").read_text("ascii", "replace")
    except OSError:
        return _own_limit() if process == "self" and root == Path("/") else None
    match = _OPEN_FILES.search(limits)
    return None if match is None else int(match[1])


def _own_limit() -> int | None:
    """Our own, where there is no /proc."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _cpus(pid: int, process: str, root: Path) -> float | None:
    """Cores that a process may use, by its affinity and by the quota of a container."""
    try:
        cores: float | None = len(os.sched_getaffinity(pid))
    except (AttributeError, OSError):  # No such call on this system.
        cores = os.cpu_count()
    quota = cgroups.cpu_quota(process, root)
    return cores if cores is None or quota is None else min(cores, quota)
