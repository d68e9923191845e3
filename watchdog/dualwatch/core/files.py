"""Writes a file as a whole."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

BUSY_FOR = 3.0
"""Seconds for which a rename over a file that is open elsewhere is tried again on Windows."""

BUSY_PAUSE = 0.02
_REFUSES_OPEN_FILES = os.name == "nt"


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file that only its owner can read; a reader sees the old or the new one, whole.

    Raises:
        OSError: It cannot be written; nothing is left beside it.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        replace(beside, path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def replace(beside: Path, path: Path) -> None:
    """Renames a file over another one.

    On Windows that is refused as long as another program has that file open: it is tried again for
    a while, and an error names that.

    Raises:
        OSError: It cannot be renamed.
    """
    until = time.monotonic() + BUSY_FOR
    while True:
        try:
            os.replace(beside, path)
            return
        except PermissionError as error:
            if not _REFUSES_OPEN_FILES:
                raise
            if time.monotonic() >= until:
                why = f"{error.strerror} (perhaps open in another program)"
                raise PermissionError(error.errno, why, str(path)) from error
        time.sleep(BUSY_PAUSE)
