"""Ends loader workers of this process, and reports their deaths between two iterations."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Callable

from dualwatch.protocol.workers import KILLING, UNWINDING

if TYPE_CHECKING:
    from types import FrameType

    from dualwatch.agent.torch.objects import LoaderIterator, Worker

DYING = 0.5
"""Seconds to wait for the death of a worker whose connections are closed already."""

_BY_A_WORKER = "Caught "
"""Prefix of an error that a living worker handed over: it is the dataset's."""


def terminate_workers(iterator: LoaderIterator | None) -> None:
    """Ends the workers of torch's iterator, so that nothing waits for them any more.

    Torch itself would ask them to end and wait five seconds for each. A killed worker would keep
    the locks of other processes that it holds, and whoever loads the samples next would hang there:
    first it is interrupted, which leaves a ``with`` of its code in order.
    """
    processes = list(getattr(iterator, "_workers", ()))
    if iterator is None or not processes or getattr(iterator, "_shutdown", True):
        return
    iterator._shutdown = True  # Torch's own clean-up has nothing left to do.
    unwatch(iterator)
    pinning = getattr(iterator, "_pin_memory_thread_done_event", None)
    if pinning is not None:
        pinning.set()
    _interrupt(processes)
    for process in processes:
        with contextlib.suppress(Exception):
            process.kill()
    end = time.monotonic() + KILLING
    for process in processes:
        with contextlib.suppress(Exception):
            process.join(max(0.0, end - time.monotonic()))
    for queue in (*iterator._index_queues, iterator._worker_result_queue):
        with contextlib.suppress(Exception):
            queue.cancel_join_thread()
            queue.close()


def end_workers_of_join(frame: FrameType | None) -> bool:
    """Ends the workers whose end a frame, or one that called it, waits for; whether it does.

    Called in a signal handler: the wait returns when they are gone, and torch continues.
    """
    while frame is not None:
        if frame.f_code.co_name == "_shutdown_workers":
            break
        frame = frame.f_back
    iterator = frame.f_locals.get("self") if frame is not None else None
    workers = [w for w in getattr(iterator, "_workers", ()) if w.exitcode is None]
    if iterator is None or not workers:
        return False
    unwatch(iterator)
    _interrupt(workers)
    for worker in workers:
        with contextlib.suppress(Exception):
            worker.kill()
    return True


def unwatch(iterator: LoaderIterator) -> None:
    """Torch no longer reports the death of these workers as an error of the training."""
    from torch.utils.data._utils import signal_handling

    if getattr(iterator, "_worker_pids_set", False):
        signal_handling._remove_worker_pids(id(iterator))
        iterator._worker_pids_set = False


def _interrupt(processes: list[Worker]) -> None:
    """Asks workers to leave by Ctrl-C, which torch's loop in them takes for an end."""
    if os.name != "posix":
        return
    end = time.monotonic() + UNWINDING
    for number, process in enumerate(processes):
        # One after the other: a lock that one gives back goes to the next, and an interruption just
        # then would be raised between its acquisition and the body of its `with`.
        share = (end - time.monotonic()) / (len(processes) - number)
        with contextlib.suppress(OSError):
            os.kill(process.pid, signal.SIGINT)
        with contextlib.suppress(Exception):
            process.join(max(0.0, share))
    for process in processes:
        with contextlib.suppress(Exception):
            process.join(max(0.0, end - time.monotonic()))


def killed(iterator: LoaderIterator | None, error: BaseException) -> str:
    """Torch's own message for a worker that was killed by a signal, "" where none was.

    Torch raises it in a signal handler only, whose exception may be lost (in a ``__del__``); its
    second check reports an unexpected exit without the signal. And a tensor of a worker that is
    about to die cannot be fetched: the connection is refused or reset, since the system closes a
    process's files before it reports the death.

    Args:
        error: What was raised while a batch was waited for.
    """
    processes = list(getattr(iterator, "_workers", ()))
    if not processes or is_from_worker(error) or not hasattr(signal, "strsignal"):
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


def is_from_worker(error: BaseException) -> bool:
    """Whether a living worker handed an error over."""
    return str(error).strip("'\"").startswith(_BY_A_WORKER)


def _exit_codes(processes: list[Worker]) -> dict[int, int]:
    found = {process.pid: process.exitcode for process in processes}
    return {pid: code for pid, code in found.items() if code is not None}


class _Deaths:
    """State of the deferred death reports of this process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.waiting = 0
        self.missed = False
        self.torch_handler: Callable[[int, FrameType | None], object] | None = None
        self.own_handler: object = None


_deaths = _Deaths()


def report_deaths_between_iterations() -> None:
    """Defers torch's error about a dead worker until a batch is waited for.

    Torch raises it from its signal handler at any point: in the middle of a step, with half of the
    parameters updated. Between two iterations nothing of the training is lost.
    """
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        return
    present = signal.getsignal(signal.SIGCHLD)
    if not callable(present) or present is _deaths.own_handler:
        return
    _deaths.pid, _deaths.torch_handler = os.getpid(), present

    def handler(number, frame):
        if os.getpid() != _deaths.pid or _deaths.waiting:
            present(number, frame)
        else:
            _deaths.missed = True

    _deaths.own_handler = handler
    signal.signal(signal.SIGCHLD, handler)


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """While a batch is waited for: raises a death that was deferred, defers no further one."""
    _deaths.waiting += 1
    try:
        if _deaths.missed and _deaths.torch_handler is not None:
            _deaths.missed = False
            _deaths.torch_handler(signal.SIGCHLD, None)
        yield
    finally:
        _deaths.waiting -= 1
