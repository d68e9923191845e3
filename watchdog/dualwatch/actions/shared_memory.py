"""Removes what a killed training leaves in shared memory: semaphores and tensors in transit.

Where multiprocessing spawns, a helper process unlinks its semaphores, and it is ended together with
the training; the same holds for torch's tensors between processes. Only files of these names are
removed that the training held, that belong to the same user, and that no process holds any more.
Linux only.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

SHARED_MEMORY = Path("/dev/shm")

_NAMES = re.compile(r"sem\.mp-\w+|torch_\d+_\w+")


class Leftover(NamedTuple):
    """A file by its name and inode, as a name may be reused."""

    path: Path
    device: tuple[int, int]
    inode: int


def seen(pids: Iterable[int], folder: Path = SHARED_MEMORY) -> set[Leftover]:
    """Files of a running training that would remain if it were killed.

    Args:
        pids: All its processes with their helpers.
        folder: Of shared memory.
    """
    ours = {(one.device, one.inode): one for one in _files(folder)}
    if not ours:
        return set()
    held = {file for pid in pids for file in _held(pid)}
    return {ours[file] for file in held & ours.keys()}


def clean(leftovers: Iterable[Leftover], folder: Path = SHARED_MEMORY) -> list[Path]:
    """Removes files that the training held and no running process holds.

    Returns:
        The files that were removed.
    """
    there = set(leftovers) & _files(folder)
    if not there:
        return []
    held = {file for pid in _pids() for file in _held(pid)}
    removed = []
    for leftover in sorted(there):
        if (leftover.device, leftover.inode) not in held:
            with contextlib.suppress(OSError):
                leftover.path.unlink()
                removed.append(leftover.path)
    return removed


def _files(folder: Path) -> set[Leftover]:
    """Files of such names that belong to this user."""
    files: set[Leftover] = set()
    if os.name != "posix":  # A folder of that name is no shared memory there.
        return files
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not _NAMES.fullmatch(entry.name):
                continue
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
                    files.add(Leftover(Path(entry.path), _device(status.st_dev), status.st_ino))
    return files


def _pids() -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from (int(name) for name in os.listdir("/proc") if name.isdigit())


def _held(pid: int) -> Iterator[tuple[tuple[int, int], int]]:
    """Device and inode of all shared memory that a process maps or has open.

    By inode and not by name: a semaphore is mapped before it gets its name.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc", str(pid), "maps").read_bytes().splitlines():
            # "from-to rights offset major:minor inode path"
            fields = line.split(None, 5)
            if len(fields) == 6 and fields[4] != b"0":
                major, _, minor = fields[3].partition(b":")
                yield (int(major, 16), int(minor, 16)), int(fields[4])
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                status = os.stat(f"/proc/{pid}/fd/{name}")
                if stat.S_ISREG(status.st_mode):
                    yield _device(status.st_dev), status.st_ino


def _device(number: int) -> tuple[int, int]:
    return os.major(number), os.minor(number)
