"""Ends a process tree: SIGTERM, SIGCONT, grace, SIGKILL, a bounded wait, survivors named.

Windows' SIGTERM kills at once. There Ctrl-Break is pressed in the console of the tree instead, and
after the grace the job object is ended.

Identity is (pid, create time), and the tree is listed before the first signal: a reused pid is
never signalled, nor is anything outside the tree. Processes that the tree starts or orphans
meanwhile are looked up repeatedly.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable

import psutil

from dualwatch.actions import press_break
from dualwatch.actions.windows_job import Job
from dualwatch.core import own_session, process_identity, process_status
from dualwatch.events import ProcessSample

KILL_WAIT = 5.0
"""Seconds after SIGKILL; a process alive then is stuck in the kernel and cannot be ended."""

LOOK_INTERVAL = 1.0
"""Seconds between two scans for processes that joined the tree; a scan reads all environments."""

PRESS_WAIT = 10.0
"""Seconds for the program that presses Ctrl-Break; it takes less than one."""

SUSPENSIONS = 16
"""Times that a process of Windows is resumed at most: it runs when all suspensions are undone."""

Identity = tuple[int, float]

_SAME = 0.02
_STEP = 0.05


def identities(samples: Iterable[ProcessSample]) -> set[Identity]:
    """Identities of sampled processes."""
    return {(sample.pid, sample.create_time) for sample in samples}


def alive(tree: Iterable[Identity]) -> list[psutil.Process]:
    """Running processes of a tree, parents first; zombies do not count."""
    running = []
    for pid, create_time in sorted(tree, key=lambda one: (one[1], one[0])):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if _is(process, create_time) and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def wake(tree: Iterable[Identity]) -> None:
    """Resumes stopped processes of a tree; one that a debugger holds stays as it is."""
    for process in alive(tree):
        with contextlib.suppress(psutil.Error):
            if process_status.of(process) == psutil.STATUS_STOPPED:
                _resume(process)


def _resume(process: psutil.Process) -> None:
    if sys.platform == "win32":
        # Suspensions are counted: two readers that were killed leave two.
        for _ in range(SUSPENSIONS):
            process.resume()
            if process_status.of(process) != psutil.STATUS_STOPPED:
                break
    else:
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

    The main process is signalled first: one that ends its workers itself then reports no dead
    workers. It takes ``grace`` and ``KILL_WAIT`` at most, and the time of a last scan.

    Args:
        tree: Identities, taken before anything was signalled.
        grace: Seconds between SIGTERM (Ctrl-Break on Windows) and SIGKILL.
        hurry: Called while waiting; true ends the grace.
        look: Lists the tree as it is now, with orphans.
        job: The tree's job object on Windows, which also ends unlisted processes; it is closed.

    Returns:
        Pids that could not be ended (uninterruptible I/O, or no permission).
    """
    known = set(tree)
    if sys.platform == "win32":
        # Nothing is waited for where nothing was asked.
        wake(known)
        grace = grace if _press_break(known) else 0.0
        _wait(known, grace, hurry, look, wake)
    else:
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
    """Ends known processes and those found meanwhile, until none is left or the time is over."""
    # psutil.wait_procs would reap the child, and subprocess would lose its exit code.
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
    # A stopped process handles SIGTERM only after SIGCONT.
    wake(tree)


def _press_break(tree: set[Identity]) -> bool:
    """Presses Ctrl-Break in the console of a tree that has one of its own; whether that was done.

    The oldest process of a tree that we started leads its process group.
    """
    living = [process.pid for process in alive(tree)]
    if not living:
        return False
    group = min(tree, key=lambda one: (one[1], one[0]))[0]
    command = [sys.executable, "-I", press_break.__file__, *map(str, [group, *living])]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PRESS_WAIT,
            check=False,
            **own_session.options(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _kill(tree: Iterable[Identity]) -> None:
    for process in alive(tree):
        _signal(process, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    """Signals this process, and not another one that reuses its pid."""
    if not hasattr(signal, "pidfd_send_signal"):
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)  # checks the create time first
        return
    with contextlib.suppress(psutil.Error, OSError):
        try:
            handle = os.pidfd_open(process.pid)
        except OSError:  # a kernel before 5.3, or it has ended
            process.send_signal(number)
            return
        try:
            # The handle is bound to the present owner of the pid: check that once more.
            if process.is_running():
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def _is(process: psutil.Process, create_time: float) -> bool:
    return abs(process_identity.created(process) - create_time) < _SAME
