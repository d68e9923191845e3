"""The creation time of a process, which with its pid identifies it.

psutil adds the machine's boot time as it is now, which moves when the wall clock is set or slewed:
after a jump no process would match its earlier identity. Here the boot time is read once.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING

from dualwatch.core.proc import stat_fields

if TYPE_CHECKING:
    import psutil

_LINUX = sys.platform.startswith("linux")


def created(process: psutil.Process) -> float:
    """When a process was created, as a wall time; the same at every call of this run.

    Raises:
        psutil.Error: It is gone, or permission is denied.
    """
    import psutil

    if not _LINUX:
        return float(process.create_time())
    try:
        ticks = int(stat_fields(process.pid)[19])
    except (OSError, ValueError, IndexError):
        raise psutil.NoSuchProcess(process.pid) from None
    return ticks / _ticks_a_second() + _boot_time()


@functools.cache
def _boot_time() -> float:
    import psutil

    return float(psutil.boot_time())


@functools.cache
def _ticks_a_second() -> int:
    return os.sysconf("SC_CLK_TCK")
