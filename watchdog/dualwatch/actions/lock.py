"""One supervisor a work dir: a lock that dies with its owner."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from dualwatch.core.errors import DualwatchError, Exit, writing


class Lock:
    """Holds ``WORK_DIR/dualwatch/lock`` for as long as this process lives.

    Raises:
        DualwatchError: Another dualwatch watches this work dir.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        with writing(folder):
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(self._descriptor)
        except OSError:
            holder = os.read(self._descriptor, 64).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise DualwatchError(
                "another dualwatch is already watching this work dir",
                why=f"{folder.parent} is locked by process {holder or 'unknown'}",
                do="wait for it, stop it with Ctrl-C, or choose another --work-dir",
                exit_code=Exit.USAGE,
            ) from None
        with contextlib.suppress(OSError):  # A full disk: the lock holds without its owner's name.
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, str(os.getpid()).encode())

    def release(self) -> None:
        """Gives the lock back; the file stays, as removing it would race with the next owner."""
        os.close(self._descriptor)


def _take(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        # Beyond the text, so that others can still read who holds it.
        os.lseek(descriptor, 1024, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
