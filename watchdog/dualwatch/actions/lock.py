"""One supervisor per work dir: a lock that the system releases when its owner ends."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from filelock import FileLock, Timeout

from dualwatch.core.errors import DualwatchError, writing
from dualwatch.core.files import write_atomically


class Lock:
    """Holds ``WORK_DIR/dualwatch/lock`` until it is released or this process ends.

    Raises:
        DualwatchError: Another dualwatch supervises this work dir.
    """

    def __init__(self, folder: Path) -> None:
        # In a file of its own, since Windows lets nobody read a locked one.
        holder = folder / "lock.pid"
        self._lock = FileLock(folder / "lock", timeout=0, mode=0o600)
        with writing(folder):
            try:
                self._lock.acquire()
            except Timeout:
                raise DualwatchError(
                    "another dualwatch already supervises this work dir",
                    why=f"{folder.parent} is locked by process {_read(holder) or 'unknown'}",
                    do="wait until it ends, stop it with Ctrl-C, or choose another --work-dir",
                ) from None
        with contextlib.suppress(OSError):  # A full disk: the lock holds, its owner is unknown.
            write_atomically(holder, str(os.getpid()).encode())

    def release(self) -> None:
        """Releases the lock; the file stays, as removing it would race with the next owner."""
        self._lock.release()


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")[:20].strip()
    except OSError:
        return ""
