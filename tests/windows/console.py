"""What happens to the console of dualwatch: Ctrl-C is pressed, or its window is closed.

usage: console.py press PID
       console.py closed-at FILE WORDS...   dualwatch with these words, closed when FILE is made

Windows calls the handlers of a process whose window is closed in a thread of their own, and ends
the process 5 seconds later. Both are done here to a process that has no window.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import sys
import threading
import time
from typing import Any

CTRL_C, CLOSED = 0, 2
GIVEN = 5.0
ENDED = 0xC000013A


def press(pid: int) -> None:
    """Presses Ctrl-C in the console of a process."""
    kernel32 = _kernel32()
    kernel32.FreeConsole()
    assert kernel32.AttachConsole(pid)
    kernel32.SetConsoleCtrlHandler(None, 1)  # Not for this process.
    assert kernel32.GenerateConsoleCtrlEvent(CTRL_C, 0)
    time.sleep(1.0)  # The event is on its way, and nothing says when it has come.


def closed_at(sign: str, words: list[str]) -> None:
    """Runs dualwatch, and closes its console once a file is made."""
    threading.Thread(target=_close_at, args=(sign,), daemon=True).start()
    sys.argv = ["dualwatch", *words]
    runpy.run_module("dualwatch", run_name="__main__")


def _close_at(sign: str) -> None:
    from dualwatch.actions import console_close

    kernel32, address = _kernel32(), ctypes.c_void_p
    kernel32.CreateThread.restype = address
    kernel32.CreateThread.argtypes = (
        *(address, ctypes.c_size_t, address, address, ctypes.c_uint, address),
    )
    while not os.path.exists(sign):
        time.sleep(0.1)
    handler = ctypes.cast(console_close._handlers[-1], address)
    kernel32.CreateThread(None, 0, handler, CLOSED, 0, None)
    time.sleep(GIVEN)  # As long as Windows gives.
    kernel32.TerminateProcess(address(-1), ENDED)


def _kernel32() -> Any:
    if sys.platform == "win32":
        return ctypes.WinDLL("kernel32", use_last_error=True)
    raise OSError("not Windows")


if __name__ == "__main__":
    if sys.argv[1] == "press":
        press(int(sys.argv[2]))
    else:
        closed_at(sys.argv[2], sys.argv[3:])
