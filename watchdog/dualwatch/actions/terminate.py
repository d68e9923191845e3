"""Ends a process tree: SIGTERM, SIGCONT, grace, SIGKILL, a bounded wait, survivors named.

Identity is (pid, create time), and the tree is known before the first signal: a pid that was
reused in between is never signalled, nor is anything outside the tree. What the tree starts or
orphans while it is being ended is asked for again and again, by whoever can tell.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable

import psutil

from dualwatch.actions.windows_job import Job
from dualwatch.core import process_identity
from dualwatch.events import ProcessSample

KILL_WAIT = 5.0
"""Seconds after SIGKILL; what is alive then sits in the kernel and cannot be ended."""

LOOK_INTERVAL = 1.0
"""Seconds between two looks for what joined the tree meanwhile: one reads all environments."""

Identity = tuple[int, float]

_SAME = 0.02
_STEP = 0.05


def identities(samples: Iterable[ProcessSample]) -> set[Identity]:
    """Identities of sampled processes."""
    return {(sample.pid, sample.create_time) for sample in samples}


def alive(tree: Iterable[Identity]) -> list[psutil.Process]:
    """Processes of a tree that still run, parents first; zombies are dead, and wait for theirs."""
    running = []
    for pid, create_time in sorted(tree, key=lambda one: (one[1], one[0])):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if _is(process, create_time) and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def wake(tree: Iterable[Identity]) -> None:
    """Lets stopped processes of a tree go on; what a debugger holds is not touched by it."""
    if sys.platform == "win32":
        return
    for process in alive(tree):
        with contextlib.suppress(psutil.Error):
            if process.status() == psutil.STATUS_STOPPED:
                _signal(process, signal.SIGCONT)


def stop(
    tree: set[Identity],
    *,
    grace: float,
    hurry: Callable[[], bool] = lambda: False,
    look: Callable[[], set[Identity]] = set,
    job: Job | None = None,
) -> list[int]:
    """Ends every process of a tree.

    Main is asked first, and what it started after it: a main that ends its workers itself says
    nothing of workers that died. It takes ``grace`` and ``KILL_WAIT`` at most, and the time of a
    last look.

    Args:
        tree: Identities, taken before anything was signalled.
        grace: Seconds between SIGTERM and SIGKILL.
        hurry: Asked while waiting; true ends the grace.
        look: Gives all that belongs to the tree now, also what was orphaned; none by default.
        job: The tree's job object on Windows, which ends what no list shows; it is closed.

    Returns:
        Pids that could not be ended (uninterruptible I/O, or not ours).
    """
    known = set(tree)
    _wait(known, grace, hurry, look, _ask_to_end)
    if job is not None:
        job.end()
        job.close()
    _wait(known, KILL_WAIT, lambda: False, look, _kill)
    return sorted(process.pid for process in alive(known))


def _wait(
    known: set[Identity],
    seconds: float,
    hurry: Callable[[], bool],
    look: Callable[[], set[Identity]],
    end: Callable[[Iterable[Identity]], None],
) -> None:
    """Ends what is known, and what is found while that goes; over when nothing is left to find."""
    # psutil.wait_procs would reap our child behind the back of subprocess and lose its code.
    end(known)
    deadline = time.monotonic() + seconds
    next_look = time.monotonic() + LOOK_INTERVAL
    while True:
        someone_lives = bool(alive(known))
        late = time.monotonic() >= deadline or hurry()
        if late or not someone_lives or time.monotonic() >= next_look:
            fresh = look() - known
            known |= fresh
            end(fresh)
            if late or not (someone_lives or alive(fresh)):
                return
            next_look = time.monotonic() + LOOK_INTERVAL
        time.sleep(_STEP)


def _ask_to_end(tree: Iterable[Identity]) -> None:
    for process in alive(tree):
        _signal(process, signal.SIGTERM)
    # A stopped process does not see SIGTERM; once it goes on that is the first thing it sees.
    wake(tree)


def _kill(tree: Iterable[Identity]) -> None:
    for process in alive(tree):
        _signal(process, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    """Signals this very process; one that has taken its pid over meanwhile is let alone."""
    if not hasattr(signal, "pidfd_send_signal"):
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)  # looks at the create time right before
        return
    with contextlib.suppress(psutil.Error, OSError):
        try:
            handle = os.pidfd_open(process.pid)
        except OSError:  # a kernel before 5.3, or it is gone
            process.send_signal(number)
            return
        try:
            # The handle is of whoever has the pid now, and stays so: look once more, then act.
            if process.is_running():
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def _is(process: psutil.Process, create_time: float) -> bool:
    return abs(process_identity.created(process) - create_time) < _SAME
