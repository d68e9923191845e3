"""What a process does, in psutil's words."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dualwatch.core import windows_threads
from dualwatch.core.windows_threads import ThreadsState

if TYPE_CHECKING:
    import psutil


def of(process: psutil.Process) -> str:
    """Its status: "running", "sleeping", "stopped", "zombie", ...

    Raises:
        psutil.Error: It is gone, or permission is denied.
    """
    import psutil

    word = str(process.status())
    if sys.platform == "win32" and word == psutil.STATUS_RUNNING:
        threads = windows_threads.state(process.pid)
        if threads is ThreadsState.SUSPENDED:
            return str(psutil.STATUS_STOPPED)
        if threads is ThreadsState.WAITING:
            return str(psutil.STATUS_SLEEPING)
    return word
