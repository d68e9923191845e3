"""The end of the console on Windows: a closed window, a log-off, a shutdown.

Windows calls a handler in a thread of its own and ends the process when the handler returns, after
5 seconds in any case. So the handler passes the request on and never returns: the process ends when
its work is done. The calls have been run under Wine only; no window has been closed there.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

SECONDS = 5
"""Until Windows ends the process."""


class ConsoleEnd(enum.Enum):
    """What happened to the console, by the number of the event; 0 and 1 are signals of Python."""

    CLOSED = 2
    LOGOFF = 5
    SHUTDOWN = 6

    @property
    def words(self) -> str:
        """For people."""
        return {
            ConsoleEnd.CLOSED: "the end of its console window",
            ConsoleEnd.LOGOFF: "the log-off of its user",
            ConsoleEnd.SHUTDOWN: "the shutdown of the system",
        }[self]


_NUMBERS = {end.value for end in ConsoleEnd}


@contextlib.contextmanager
def listening(receive: Callable[[ConsoleEnd], None]) -> Iterator[Any]:
    """Hands every end of the console to ``receive``, in a thread of Windows; a no-op elsewhere.

    Yields:
        The handler as Windows calls it, None elsewhere.
    """
    if sys.platform == "win32":

        def handle(event: int) -> int:
            if event not in _NUMBERS:
                return 0
            receive(ConsoleEnd(event))
            threading.Event().wait()  # Returning would end the process.
            return 1

        handler = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(handle)
        kernel32 = ctypes.WinDLL("kernel32")
        # Kept for good: a call may be under way while it is taken away.
        _handlers.append(handler)
        kernel32.SetConsoleCtrlHandler(handler, 1)
        try:
            yield handler
        finally:
            kernel32.SetConsoleCtrlHandler(handler, 0)
    else:
        yield None


_handlers: list[Any] = []
