"""Takes in the orphans of the training while we run, and buries those that die.

A process whose parent dies goes to the nearest subreaper above it, else to init. As one we keep
seeing it as a child of ours; in a container whose init buries nobody its corpse would stay for
ever, too. Linux only; elsewhere nothing happens.
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
"""Seconds for whoever waits for a dead child of ours to take its status; then nobody does."""

_PR_SET_CHILD_SUBREAPER = 36


@contextlib.contextmanager
def adopting() -> Iterator[bool]:
    """Makes us the parent of all orphans below us for a while; gives whether that was possible."""
    possible = _be_subreaper(True)
    try:
        yield possible
    finally:
        if possible:
            _be_subreaper(False)


class Reaper:
    """Buries adopted orphans. Whoever started a child by itself keeps its exit status.

    Only single pids are waited for, never "any child": that would take the statuses of
    ``subprocess`` away. A dead child that is none of ours to spare must have lain there for a
    while in a session that is not our own, which a child that somebody waits for never does.

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
        """Buries the orphans that have been dead for a while; gives their pids."""
        if not sys.platform.startswith("linux"):
            return []
        now = self._now()
        dead = {one: self._dead_since.get(one, now) for one in self._dead_children()}
        buried = []
        for (pid, create_time), since in list(dead.items()):
            if now - since < WAITED_FOR:
                continue
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == pid:
                    buried.append(pid)
            del dead[pid, create_time]
        self._dead_since = dead
        return sorted(buried)

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
