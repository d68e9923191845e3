"""Which process waits for a file lock, and who holds it, by ``/proc/locks`` of Linux."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

from dualwatch.core import proc
from dualwatch.core.text import clean
from dualwatch.events import FileLock, FileLocksSeen

LOCKS = Path("/proc/locks")
MOST = 32
LENGTH = 300


def look(
    pids: Collection[int], *, at: float, wall: float, locks: Path = LOCKS
) -> FileLocksSeen | None:
    """The file locks that processes of a tree wait for, with their holders; None for none."""
    try:
        text = locks.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    rows = [row for line in text.splitlines() if (row := _row(line)) is not None]
    wanted = {inode for pid, inode, waits in rows if waits and pid in pids}
    found = [
        FileLock(pid=pid, file=_path(pid, inode), waits=waits)
        for pid, inode, waits in rows
        if inode in wanted
    ][:MOST]
    return FileLocksSeen(at=at, wall=wall, locks=tuple(found)) if found else None


def holders(pids: Collection[int], *, locks: Path = LOCKS) -> dict[int, tuple[int, ...] | None]:
    """For each of the processes that waits for file locks: who holds them; None where unknown.

    The holder of a lock is not known where it is in another PID namespace or on another machine.
    """
    try:
        text = locks.read_text(encoding="ascii", errors="replace")
    except OSError:
        return {}
    rows = [row for line in text.splitlines() if (row := _row(line)) is not None]
    found: dict[int, tuple[int, ...] | None] = {}
    for pid, inode, waits in rows:
        if waits and pid in pids:
            before = found.get(pid, ())
            own = tuple(p for p, other, waiting in rows if other == inode and not waiting)
            known = before is not None and own and min(own) > 0
            found[pid] = tuple(dict.fromkeys((*(before or ()), *own))) if known else None
    return found


def _row(line: str) -> tuple[int, str, bool] | None:
    """Process, file and whether it waits, of ``1: -> FLOCK ADVISORY WRITE 7 fe:00:9 0 EOF``."""
    words = line.split()
    waits = len(words) > 1 and words[1] == "->"
    rest = words[2 if waits else 1 :]
    if len(rest) < 5 or rest[0] not in ("FLOCK", "POSIX", "OFDLCK"):
        return None
    try:
        return int(rest[3]), rest[4], waits
    except ValueError:
        return None


def _path(pid: int, inode: str) -> str:
    """The path of a locked file among those that its process has open, else its numbers."""
    number = inode.rpartition(":")[2]
    with contextlib.suppress(OSError):
        for link, path in proc.open_files(pid):
            with contextlib.suppress(OSError):
                if str(os.stat(link).st_ino) == number:
                    return clean(path, LENGTH)
    return f"inode {inode}"
