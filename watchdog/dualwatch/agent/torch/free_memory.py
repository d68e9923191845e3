"""Memory that this process may still use."""

from __future__ import annotations

from pathlib import Path

_GROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


def free_bytes() -> int | None:
    """Of the machine or of the container, whichever is less; None where neither shows it."""
    known = [found for found in (_machine(), _container()) if found is not None]
    return min(known, default=None)


def _machine() -> int | None:
    try:
        lines = _MEMINFO.read_text().splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError, StopIteration):
        return None


def _container() -> int | None:
    groups = (
        (_GROUP, "memory.max", "memory.current"),
        (_GROUP / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    )
    for folder, limit, used in groups:
        try:
            left = int((folder / limit).read_text()) - int((folder / used).read_text())
            return left + _cached((folder / "memory.stat").read_text())
        except (OSError, ValueError):  # "max": there is no limit.
            continue
    return None


def _cached(statistics: str) -> int:
    """Bytes of cached files, which give way where memory is needed."""
    pairs = [line.split() for line in statistics.splitlines()]
    return sum(int(value) for name, value in pairs if name in ("inactive_file", "active_file"))
