"""The commit charge of Windows: memory that was promised, in RAM and in the paging file together.

Where it reaches its limit, an allocation fails although memory is free (WinError 1455).
"""

from __future__ import annotations

import ctypes
import sys
from typing import NamedTuple


class Commit(NamedTuple):
    """Bytes; None where they are not known."""

    limit: int | None = None
    used: int | None = None


class _MemoryStatus(ctypes.Structure):
    """``MEMORYSTATUSEX``."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("memory", ctypes.c_uint64),
        ("memory_left", ctypes.c_uint64),
        ("commit", ctypes.c_uint64),
        ("commit_left", ctypes.c_uint64),
        ("virtual", ctypes.c_uint64),
        ("virtual_left", ctypes.c_uint64),
        ("extended_left", ctypes.c_uint64),
    )


def read() -> Commit:
    """The commit charge of the machine, or of our job where that has a limit; Windows only."""
    if sys.platform == "win32":
        status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
        if ctypes.WinDLL("kernel32").GlobalMemoryStatusEx(ctypes.byref(status)) and status.commit:
            return Commit(status.commit, status.commit - min(status.commit_left, status.commit))
    return Commit()
