"""Who a process is: its pid, and when it was created by a clock that nobody can set.

psutil adds the machine's boot time as it is now, which moves when the wall clock is set or slewed:
after a jump no process would be the one that it was. Here the boot time is asked for once.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

_LINUX = sys.platform.startswith("linux")


def created(process: psutil.Process) -> float:
    """When a process was created, as a wall time; the same at every call of this run of ours.

    Raises:
        psutil.Error: It is gone, or cannot be looked at.
    """
    import psutil

    if not _LINUX:
        return float(process.create_time())
    try:
        with open(f"/proc/{process.pid}/stat", "rb", buffering=0) as file:
            stat = file.read(4096)
        # "pid (name) state ppid ...": the name may hold spaces and brackets.
        ticks = int(stat[stat.rindex(b")") + 2 :].split()[19])
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
