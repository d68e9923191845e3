"""Memory and CPUs that a process's container or job may use: its control group, version 1 or 2.

A training in a container is killed at the group's limit while the machine has plenty left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

NO_LIMIT = 1 << 60
"""Version 1 says "no limit" with the largest number of pages; its exact value is the machine's."""


@dataclass(frozen=True, slots=True)
class CgroupMemory:
    """Limits, use and OOM kills of a process's control group. None: unknown.

    Attributes:
        limit: Bytes; of the group or of the one around it that has the least left.
        used: Bytes of that group, without the cached files that the kernel gives back on demand.
        oom_kills: Processes of the innermost group that the kernel killed for memory.
    """

    limit: int | None = None
    used: int | None = None
    oom_kills: int | None = None


@dataclass(frozen=True, slots=True)
class _Version:
    """Names of one version's files, and of what ``memory.stat`` calls cached files."""

    limit: str
    used: str
    events: str
    cached: tuple[str, ...]


_V1 = _Version(
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    "memory.oom_control",
    ("total_inactive_file", "total_active_file"),
)
_V2 = _Version("memory.max", "memory.current", "memory.events", ("inactive_file", "active_file"))

_ESCAPED = re.compile(r"\\([0-7]{3})")


def memory(process: str, root: Path = Path("/")) -> CgroupMemory:
    """The memory of a process's control group.

    Args:
        process: Its pid, or "self".
        root: Where ``proc`` and the mounts of the control groups are found.
    """
    version, groups = _groups(process, root)
    kills = (_table(group / version.events).get("oom_kill") for group in groups)
    oom_kills = next((number for number in kills if number is not None), None)
    # Each level's limit holds for all below it. The smaller limit is not always the nearer one:
    # a big group may be full of others.
    innermost: int | None = None
    tightest: CgroupMemory | None = None
    least = 0
    for group in groups:
        used = _used(group, version)
        innermost = used if innermost is None else innermost
        limit = _number(group / version.limit)
        if limit is None or limit >= NO_LIMIT:
            continue
        left = limit - (used or 0)
        if tightest is None or left < least:
            tightest, least = CgroupMemory(limit, used, oom_kills), left
    return tightest or CgroupMemory(None, innermost, oom_kills)


def cpu_quota(process: str, root: Path = Path("/")) -> float | None:
    """CPUs that a process's control group may use on average; None where it has no limit.

    The smallest of the group's own and of those around it.
    """
    version, groups = _groups(process, root, "cpu")
    quotas = []
    for group in groups:
        if version is _V1:
            quota, period = (
                _number(group / "cpu.cfs_quota_us"),
                _number(group / "cpu.cfs_period_us"),
            )
        else:
            words = _text(group / "cpu.max").split()
            quota, period = (int(w) if w.isdigit() else None for w in (*words, "", "")[:2])
        if quota is not None and period and quota > 0:  # Version 1 has -1 for no limit.
            quotas.append(quota / period)
    return min(quotas, default=None)


def path_of(process: str, root: Path = Path("/")) -> str:
    """The process's control groups as the kernel lists them, "" where it does not."""
    try:
        return (root / "proc" / process / "cgroup").read_text("utf-8", "replace")
    except OSError:
        return ""


def _groups(process: str, root: Path, counted: str = "memory") -> tuple[_Version, list[Path]]:
    """The process's group and those around it, innermost first, as far as we see them.

    Args:
        counted: Name of the controller.
    """
    paths: dict[str, str] = {}
    for line in path_of(process, root).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            paths[controller] = path.removesuffix(" (deleted)")
    # Where both versions are mounted, memory is counted by the one that names it.
    version, path = (_V1, paths[counted]) if counted in paths else (_V2, paths.get("", ""))
    if path.startswith("/") and ".." not in PurePosixPath(path).parts and "\0" not in path:
        for shown, place in _mounts(root, version, counted):
            # A container's mount may begin at its own group, which is no part of its folders.
            if PurePosixPath(path).is_relative_to(shown):
                below = PurePosixPath(path).relative_to(shown)
                return version, list(_upwards(place, below, version))
    return version, []  # outside of what our own namespace shows


def _upwards(place: Path, below: PurePosixPath, version: _Version) -> Iterator[Path]:
    for part in (below, *below.parents):
        yield place / part
        parent = (place / part).parent
        # Version 1 may be told not to count a child's memory for its parent.
        if version is _V1 and _number(parent / "memory.use_hierarchy") == 0:
            return


def _mounts(root: Path, version: _Version, counted: str) -> Iterator[tuple[str, Path]]:
    """Where groups are mounted: the group that a mount begins at, and its folder."""
    try:
        text = (root / "proc" / "self" / "mountinfo").read_text("utf-8", "replace")
    except OSError:
        return
    kind = "cgroup" if version is _V1 else "cgroup2"
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, source = before.split(), after.split()
        if len(fields) < 5 or len(source) < 3 or source[0] != kind:
            continue
        if version is _V2 or counted in source[2].split(","):
            shown, place = (_ESCAPED.sub(_character, field) for field in fields[3:5])
            yield shown, root / place.lstrip("/")


def _character(match: re.Match[str]) -> str:
    return chr(int(match[1], 8))


def _used(group: Path, version: _Version) -> int | None:
    used = _number(group / version.used)
    if used is None:
        return None
    stat = _table(group / "memory.stat")
    return max(0, used - sum(stat.get(name, 0) for name in version.cached))


def _number(file: Path) -> int | None:
    """A file's number; None for "max", for another text, and where there is no file."""
    try:
        return int(file.read_text("ascii", "replace"))
    except (OSError, ValueError):
        return None


def _text(file: Path) -> str:
    """A file's text, "" where there is none."""
    try:
        return file.read_text("ascii", "replace")
    except OSError:
        return ""


def _table(file: Path) -> dict[str, int]:
    """A file of lines "name number"."""
    table: dict[str, int] = {}
    for line in _text(file).splitlines():
        name, _, number = line.partition(" ")
        if number.isascii() and number.isdigit():
            table[name] = int(number)
    return table
