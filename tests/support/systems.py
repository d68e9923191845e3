"""What this system is, for tests that ask for one in particular."""

from __future__ import annotations

import ctypes
import sys

WINDOWS = sys.platform == "win32"


def _is_wine() -> bool:
    return WINDOWS and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


WINE = _is_wine()
"""Whether this Windows is Wine, which lacks some figures of processes."""
