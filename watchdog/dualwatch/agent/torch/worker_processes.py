"""Loader workers of this process: putting them down, and hearing of their deaths in time."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

JOIN = 2.0
"""Seconds for which a killed worker is waited for; one in the kernel does not end."""


DYING = 0.5
"""Seconds for which the death of a worker is waited for whose connections are closed already."""

_BY_A_WORKER = "Caught "
"""How an error begins that a living worker handed over: it is the dataset's."""


def terminate_workers(iterator: Any) -> None:
    """Kills the workers of an iterator of torch's, so that nothing waits for them any more.

    Torch itself would ask them to end and wait five seconds for each.
    """
    processes = list(getattr(iterator, "_workers", ()))
    if not processes or getattr(iterator, "_shutdown", True):
        return
    iterator._shutdown = True  # Torch's own clean-up has nothing left to do.
    from torch.utils.data._utils import signal_handling

    if getattr(iterator, "_worker_pids_set", False):
        # Their death is our doing, and no error of the training.
        signal_handling._remove_worker_pids(id(iterator))
        iterator._worker_pids_set = False
    pinning = getattr(iterator, "_pin_memory_thread_done_event", None)
    if pinning is not None:
        pinning.set()
    for process in processes:
        with contextlib.suppress(Exception):
            process.kill()
    for process in processes:
        with contextlib.suppress(Exception):
            process.join(JOIN)
    for queue in (*iterator._index_queues, iterator._worker_result_queue):
        with contextlib.suppress(Exception):
            queue.cancel_join_thread()
            queue.close()


def killed(iterator: Any, error: BaseException) -> str:
    """Torch's own words for a worker that was killed by a signal, "" where none was.

    Torch says them in a signal handler only, whose exception may be raised where nobody hears it
    (in a ``__del__``); its second look tells of an unexpected exit and of no signal. And whoever
    takes a tensor from a worker that is about to die meets a connection that is refused or reset:
    the system closes what a process held before it tells that the process is dead.

    Args:
        error: What was raised while a batch was waited for.
    """
    processes = list(getattr(iterator, "_workers", ()))
    if not processes or str(error).startswith(_BY_A_WORKER) or not hasattr(signal, "strsignal"):
        return ""
    end = time.monotonic() + DYING
    codes = _exit_codes(processes)
    while not codes and time.monotonic() < end:
        time.sleep(0.02)
        codes = _exit_codes(processes)
    for pid, code in codes.items():
        if code < 0:
            name = signal.strsignal(-code)
            return f"DataLoader worker (pid {pid}) is killed by signal: {name}."
    return ""


def _exit_codes(processes: list[Any]) -> dict[int, int]:
    found = {process.pid: process.exitcode for process in processes}
    return {pid: code for pid, code in found.items() if code is not None}


class _Deaths:
    """When a worker died."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.waiting = 0
        self.missed = False
        self.torchs: Any = None
        self.own: Any = None


_deaths = _Deaths()


def report_deaths_between_iterations() -> None:
    """Lets torch raise that a worker died only while a batch is waited for.

    It raises from its signal handler, wherever the training stands: in the middle of a step, with
    half of the parameters updated. A batch later it stands between two iterations, and nothing of
    it is lost.
    """
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        return
    present = signal.getsignal(signal.SIGCHLD)
    if not callable(present) or present is _deaths.own:
        return
    _deaths.pid, _deaths.torchs = os.getpid(), present

    def heard(number, frame):
        if os.getpid() != _deaths.pid or _deaths.waiting:
            present(number, frame)
        else:
            _deaths.missed = True

    _deaths.own = heard
    signal.signal(signal.SIGCHLD, heard)


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """A batch is waited for: what was held back is told now."""
    _deaths.waiting += 1
    try:
        if _deaths.missed:
            _deaths.missed = False
            _deaths.torchs(signal.SIGCHLD, None)
        yield
    finally:
        _deaths.waiting -= 1
