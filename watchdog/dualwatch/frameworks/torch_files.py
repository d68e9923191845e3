"""Checkpoint files as torch writes them, looked at without torch."""

from __future__ import annotations

import zipfile
from pathlib import Path

ZIPPED = "a zip archive"
BEFORE_1_6 = "a pickle"
"""Form of a checkpoint that torch wrote before 1.6, and does still when it is asked to."""


def fault_of(path: Path) -> str | None:
    """What is wrong with a checkpoint file, None where it is whole.

    torch writes a zip archive; its directory is at the end, so a truncated file has none, and
    every member carries a checksum.
    """
    try:
        if form_of(path) == BEFORE_1_6:
            return None  # Which only torch can judge.
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
            return None if bad is None else f"damaged ({bad})"
    except zipfile.BadZipFile:
        return "truncated or no checkpoint"
    except OSError as error:
        return error.strerror or str(error)


def form_of(path: Path) -> str:
    """ "a zip archive", "a pickle", or "" for neither; which of them torch writes today and wrote.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(4)
    if head == b"PK\x03\x04":
        return ZIPPED
    return BEFORE_1_6 if head[:2] == b"\x80\x02" else ""
