"""Presses Ctrl-Break in the console of a training of Windows. Run as a script, in its own process.

usage: press_break.py GROUP PID...

A process can have one console only, so this one leaves its own for that of the training. Nothing
is pressed where a process that is not named is in that console: exit code 3. Exit code 4: the
console cannot be entered, or the system refused. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

CTRL_BREAK_EVENT = 1
NOT_ALONE, REFUSED = 3, 4
MOST = 4096
"""Processes in one console."""


def main(group: int, pids: list[int]) -> int:
    """Presses Ctrl-Break for a process group; returns the exit code.

    Args:
        group: Pid of the group's first process, which was started with a group of its own.
        pids: All processes that may be in the console; the first living one shows which it is.
    """
    kernel32 = _kernel32()
    kernel32.FreeConsole()
    if not any(kernel32.AttachConsole(pid) for pid in pids):
        return REFUSED
    there = (ctypes.c_uint * MOST)()
    count = kernel32.GetConsoleProcessList(there, MOST)
    if not 0 < count <= MOST or set(there[:count]) - {os.getpid(), *pids}:
        return NOT_ALONE
    return 0 if kernel32.GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, group) else REFUSED


def _kernel32() -> Any:
    if sys.platform == "win32":
        return ctypes.WinDLL("kernel32", use_last_error=True)
    raise OSError("not Windows")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), [int(word) for word in sys.argv[2:]]))
