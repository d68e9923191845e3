"""The lock file of a just-in-time extension build that a process waits for, and who holds it.

torch keeps the file open while it builds, so its owner is a process that has it open.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from dualwatch.core import proc
from dualwatch.core.text import clean
from dualwatch.events import BuildLock, BuildLocksSeen, Frame, ThreadStack

MOST = 8
LENGTH = 500

_WAITS_IN = "torch/utils/file_baton.py"
_LOCK = "lock"
_FOLDER = "TORCH_EXTENSIONS_DIR"
_LINUX = sys.platform.startswith("linux")
_OF_A_NETWORK = ("nfs", "cifs", "smb", "lustre", "ceph", "beegfs", "gpfs", "9p", "fuse", "afs")


def look(stacks: Sequence[ThreadStack], *, at: float, wall: float) -> BuildLocksSeen | None:
    """The lock files that processes wait for, by their stacks; None where none does."""
    waiting = {stack.pid: stack.frames for stack in stacks if _waits(stack.frames)}
    found = [
        lock
        for pid, frames in waiting.items()
        for path in _paths(pid, frames)
        if (lock := _read(pid, path)) is not None
    ]
    return BuildLocksSeen(at=at, wall=wall, locks=tuple(found[:MOST])) if waiting else None


def _waits(frames: Sequence[Frame]) -> bool:
    return any(f.bare == "wait" and f.slashed.endswith(_WAITS_IN) for f in frames)


def _paths(pid: int, frames: Sequence[Frame]) -> list[Path]:
    """The lock that the frames name, else all below the folder of this process's extensions."""
    folders = [Path(f.subject) for f in frames if f.subject and "cpp_extension" in f.file]
    if folders:
        return [folders[0] / _LOCK]
    root = _root(pid)
    if root is None:
        return []
    with contextlib.suppress(OSError):
        return sorted({*root.glob(f"*/{_LOCK}"), *root.glob(f"*/*/{_LOCK}")})[:MOST]
    return []


def _root(pid: int) -> Path | None:
    """Where torch builds the extensions of a process, by its environment; None where unknown."""
    import psutil

    try:
        environment = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return None
    named = environment.get(_FOLDER)
    if named:
        return Path(named) if os.path.isabs(named) else None
    home = Path(environment.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "torch_extensions"
    return Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "torch_extensions"


def _read(pid: int, path: Path) -> BuildLock | None:
    """A lock file and who has it open; None where there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return None
    holders, unread = _holders(path.resolve(), status.st_uid)
    hidden = ""
    if not _LINUX:
        hidden = "this system does not show who has it open"
    elif unread:
        hidden = "not all processes of its user could be read"
    elif _is_shared(path.resolve()):
        hidden = "it is in a network folder, and another machine may build"
    return BuildLock(
        pid=pid,
        file=clean(str(path), LENGTH),
        created=status.st_mtime,
        holders=tuple(holders),
        hidden="" if holders else hidden,
    )


def _holders(path: Path, owner: int) -> tuple[list[int], bool]:
    """The processes that have a file open, and whether some of its owner's could not be read."""
    found: list[int] = []
    unread = False
    for pid in psutil.pids() if _LINUX else ():
        try:
            if any(target == str(path) for _, target in proc.open_files(pid)):
                found.append(pid)
        except PermissionError:
            with contextlib.suppress(OSError):
                unread = unread or os.stat(f"/proc/{pid}").st_uid == owner
        except OSError:
            continue
    return found, unread


def _is_shared(path: Path) -> bool:
    """Whether other machines may use this file, by the kind of its file system."""
    best, kind = "", ""
    with contextlib.suppress(OSError):
        for line in Path("/proc/mounts").read_text("utf-8", "replace").splitlines():
            words = line.split()
            if len(words) < 3:
                continue
            place = words[1].replace("\\040", " ")
            inside = str(path).startswith(place.rstrip("/") + "/")
            if inside and len(place) >= len(best):
                best, kind = place, words[2]
    return kind.startswith(_OF_A_NETWORK)
