"""Adopts the orphans of the training as a subreaper, and reaps those that die.

A process whose parent dies goes to the nearest subreaper above it, else to init. As subreaper,
dualwatch still sees it as its child; and in a container whose init does not reap, its zombie would
stay for ever. Linux only; elsewhere nothing happens.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator

import psutil

from dualwatch.actions.terminate import Identity
from dualwatch.core import process_identity

WAITED_FOR = 5.0
"""Seconds that a zombie child is left to the code that may be waiting for it."""

_PR_SET_CHILD_SUBREAPER = 36


@contextlib.contextmanager
def adopting() -> Iterator[bool]:
    """Makes this process the subreaper of its descendants; yields whether that was possible."""
    possible = _be_subreaper(True)
    try:
        yield possible
    finally:
        if possible:
            _be_subreaper(False)


class Reaper:
    """Reaps adopted orphans, and leaves the exit status of other children alone.

    It waits for single pids, never for any child, which would take the statuses that
    ``subprocess`` waits for. A zombie is reaped only after a while and in another session than
    this process's, which is never the case for a child that is being waited for.

    Args:
        spared: Pids of children whose status is wanted later.
        now: A monotonic clock.
    """

    def __init__(
        self, spared: Collection[int] = (), *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._spared = frozenset(spared)
        self._now = now
        self._dead_since: dict[Identity, float] = {}

    def reap(self) -> list[int]:
        """Reaps the orphans that have been dead for a while; returns their pids."""
        if not sys.platform.startswith("linux"):
            return []
        now = self._now()
        dead = {one: self._dead_since.get(one, now) for one in self._dead_children()}
        reaped = []
        for (pid, create_time), since in list(dead.items()):
            if now - since < WAITED_FOR:
                continue
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == pid:
                    reaped.append(pid)
            del dead[pid, create_time]
        self._dead_since = dead
        return sorted(reaped)

    def _dead_children(self) -> Iterator[Identity]:
        for process in psutil.Process().children():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid in self._spared or process.status() != psutil.STATUS_ZOMBIE:
                    continue
                if os.getsid(process.pid) != os.getsid(0):
                    yield process.pid, process_identity.created(process)


def _be_subreaper(wanted: bool) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    with contextlib.suppress(OSError, AttributeError):
        result = ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)
        return bool(result == 0)
    return False
