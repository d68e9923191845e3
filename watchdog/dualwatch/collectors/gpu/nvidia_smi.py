"""What the ``nvidia-smi`` program says: the page that people know and ask each other for."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from dualwatch.collectors.host import subprocesses
from dualwatch.core.text import CUT_MARK, clean, decode, decode_line

MAX_BYTES = 64 * 1024
"""Kept of its output; a page of eight devices has about 6 KB."""

_WORDS_OF_FAILURE = 500


def find() -> str | None:
    """The program: on the PATH, else where the driver is known to put it."""
    if sys.platform == "win32":
        # Looked at first: Windows would take one of the current folder before any on the PATH.
        usual = [
            Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "nvidia-smi.exe"),
            Path(os.environ.get("PROGRAMW6432", r"C:\Program Files"),
                 "NVIDIA Corporation", "NVSMI", "nvidia-smi.exe"),
        ]  # fmt: skip
        return next((str(path) for path in usual if path.is_file()), shutil.which("nvidia-smi"))
    # Under WSL the driver belongs to Windows, and its folder is not on every PATH.
    return shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path="/usr/lib/wsl/lib")


def read(timeout: float = 5.0) -> tuple[str | None, str | None]:
    """Runs ``nvidia-smi`` once.

    Args:
        timeout: Seconds until it is killed; with a broken driver it never ends.

    Returns:
        Its output, None where it said nothing, and why that is not what it should be, None where
        all is well. Both where it complained, or hung, after a part.
    """
    program = find()
    if program is None:
        return None, "there is no nvidia-smi program on this machine"
    try:
        ran = subprocesses.run([program], timeout, most=MAX_BYTES)
    except OSError as error:
        return None, f"{program} could not be started: {error.strerror or error}"
    page = _page(ran.output)
    if ran.status is None:
        return page, f"nvidia-smi did not answer within {timeout:g} s and was killed"
    if ran.status != 0:
        said = clean(" ".join(decode(ran.complaint or ran.output).split()), _WORDS_OF_FAILURE)
        how = (
            f"ended with status {ran.status}" if ran.status > 0 else f"died of signal {-ran.status}"
        )
        return page, f"nvidia-smi {how}: {said or 'it said nothing'}"
    return page, None if page is not None else "nvidia-smi said nothing"


def _page(output: bytes) -> str | None:
    """The output as text that is safe to print; its end shows where it was cut."""
    page = "\n".join(decode_line(line).rstrip() for line in output.split(b"\n")).strip("\n")
    if len(output) >= MAX_BYTES:
        page += CUT_MARK
    return page or None
