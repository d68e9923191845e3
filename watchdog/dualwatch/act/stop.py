"""Ends a process tree: SIGCONT, SIGTERM, grace, SIGKILL, a bounded wait, survivors named.

Identity is (pid, create time), and the tree is known before the first signal: a pid that was
reused in between is never signalled, nor is anything outside the tree.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable

import psutil

from dualwatch.facts import ProcessSample

KILL_WAIT = 5.0
"""Seconds after SIGKILL; what is alive then sits in the kernel and cannot be ended."""

Identity = tuple[int, float]


def identities(samples: Iterable[ProcessSample]) -> set[Identity]:
    """Identities of sampled processes."""
    return {(sample.pid, sample.create_time) for sample in samples}


def alive(tree: Iterable[Identity]) -> list[psutil.Process]:
    """Processes of a tree that still run; zombies are dead, their parent will reap them."""
    running = []
    for pid, create_time in tree:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            same = abs(process.create_time() - create_time) < 0.02
            if same and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def wake(tree: Iterable[Identity]) -> None:
    """Lets stopped processes of a tree go on; what a debugger holds is not touched by it."""
    for process in alive(tree):
        with contextlib.suppress(psutil.Error):
            if sys.platform != "win32" and process.status() == psutil.STATUS_STOPPED:
                process.resume()


def stop(
    tree: set[Identity], *, grace: float, hurry: Callable[[], bool] = lambda: False
) -> list[int]:
    """Ends every process of a tree.

    Args:
        tree: Identities, taken before anything was signalled.
        grace: Seconds between SIGTERM and SIGKILL.
        hurry: Asked while waiting; true ends the grace.

    Returns:
        Pids that could not be ended (uninterruptible I/O, or not ours).
    """
    processes = alive(tree)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if sys.platform != "win32" and process.status() == psutil.STATUS_STOPPED:
                process.resume()  # A stopped process does not see SIGTERM.
            process.terminate()
    _wait(tree, grace, hurry)
    for process in alive(tree):
        with contextlib.suppress(psutil.Error):
            process.kill()
    _wait(tree, KILL_WAIT, lambda: False)
    return sorted(process.pid for process in alive(tree))


def _wait(tree: set[Identity], seconds: float, hurry: Callable[[], bool]) -> None:
    # psutil.wait_procs would reap our child behind the back of subprocess and lose its code.
    deadline = time.monotonic() + seconds
    while alive(tree) and time.monotonic() < deadline and not hurry():
        time.sleep(0.05)
