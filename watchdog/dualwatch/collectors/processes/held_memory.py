"""Memory that the processes of a tree hold, read as seldom as its cost demands."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dualwatch.core.proc import held_memory

if TYPE_CHECKING:
    import psutil

INTERVAL = 5.0
SHARE = 0.01
"""Share of a core that reading may take: the kernel walks through all pages of a process."""

AT_ONCE_S = 0.5
"""Seconds to wait for a reading; one that takes longer is given with a later sample."""


class HeldMemoryReader:
    """Reads ``ProcessSample.held`` when it is time for it.

    In a thread of its own: of a large training it takes seconds, and the kernel makes the reader
    wait for a process that is changing its memory.
    """

    def __init__(self) -> None:
        self._next = float("-inf")
        self._thread: threading.Thread | None = None
        self._found: dict[int, int] = {}
        self._cost = 0.0

    def read(self, processes: Iterable[psutil.Process], at: float) -> dict[int, int]:
        """Bytes of each process whose memory can be read; empty between two readings."""
        if self._thread is None:
            if at < self._next or not sys.platform.startswith(("linux", "win32")):
                return {}
            work = threading.Thread(
                target=self._read, args=(list(processes),), name="held-memory", daemon=True
            )
            work.start()
            work.join(AT_ONCE_S)
            self._thread = work
        if self._thread.is_alive():
            return {}
        self._thread = None
        self._next = at + max(INTERVAL, self._cost / SHARE)
        return self._found

    def _read(self, members: list[psutil.Process]) -> None:
        import psutil  # not at the top: it would slow every start of the program

        start, self._found = time.thread_time(), {}
        for process in members:
            with contextlib.suppress(OSError, KeyError, ValueError, psutil.Error):
                if sys.platform == "win32":
                    self._found[process.pid] = int(process.memory_info().private)
                else:
                    self._found[process.pid] = held_memory(process.pid)
        self._cost = time.thread_time() - start
