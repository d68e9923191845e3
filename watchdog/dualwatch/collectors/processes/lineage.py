"""Where a process comes from: a copy of its parent, a loader worker, one that lost its parent."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dualwatch.collectors.processes.roles import is_python
from dualwatch.core.proc import stat_fields

if TYPE_CHECKING:
    import psutil

_LINUX = sys.platform.startswith("linux")
_NEVER_RAN_A_PROGRAM = 0x40  # PF_FORKNOEXEC of the kernel


def is_copy(pid: int) -> bool:
    """Whether the process was forked and never ran a program of its own.

    The kernel keeps it, and nothing else tells a worker from a main process that was started with
    the same command line. False where it cannot be told.
    """
    if not _LINUX:
        return False
    try:
        flags = int(stat_fields(pid)[6])
    except (OSError, ValueError, IndexError):
        return False
    return bool(flags & _NEVER_RAN_A_PROGRAM)


def is_loader_worker(pid: int) -> bool:
    """Whether the process runs torch's worker loop; False where unknown.

    The loop begins with handlers for exactly the signals that it wants to explain, in every
    version of torch.
    """
    if not _LINUX:
        return False
    wanted = (signal.SIGBUS, signal.SIGSEGV, signal.SIGFPE, signal.SIGTERM)
    try:
        for line in Path("/proc", str(pid), "status").read_bytes().splitlines():
            if line.startswith(b"SigCgt:"):
                caught = int(line.split()[1], 16)
                return all(caught >> (number - 1) & 1 for number in wanted)
    except (OSError, ValueError, IndexError):
        return False
    return False


def lost_its_parent(process: psutil.Process, *, copy: bool) -> bool:
    """Whether the parent that started this worker is gone; False where unknown.

    An orphan goes to init or to a subreaper. multiprocessing starts its workers in the session of
    their parent, and the parent is a Python: of the same command line, where they are copies.

    Args:
        copy: Whether it is a copy of its parent, not a program of its own.

    Raises:
        psutil.Error: It is gone, or not ours to look at.
    """
    parent = process.parent()
    # A parent outside of our namespace (`docker exec`) is 0, and no orphan's.
    if parent is None or os.name != "posix":
        return False
    command = parent.cmdline()
    if parent.pid != 1 and os.getsid(parent.pid) == os.getsid(process.pid):
        return False
    if copy:
        return command != process.cmdline()
    return not is_python(tuple(command))
