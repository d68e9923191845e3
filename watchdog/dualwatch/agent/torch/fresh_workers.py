"""Workers that are started beside a training which loads its batches itself.

A thread starts them and waits until they answer, so that the training neither waits for their
imports nor for one that never ends. It forks nothing: they are spawned. Until they are ready they
are given nothing to load.
"""

from __future__ import annotations

import queue
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Callable, NamedTuple

from dualwatch.agent.torch import free_memory, guarded_classes, spawning, worker_processes
from dualwatch.protocol.workers import WorkersReason

if TYPE_CHECKING:
    from dualwatch.agent.torch.objects import DataLoader, LoaderIterator

START = 180.0
"""Seconds in which workers must have answered."""

LOOK = 0.5

GB = 1 << 30
WORKER_BYTES = GB // 2
"""Of a spawned worker: an interpreter with torch of its own."""

COPY = 2
"""Times the size of the data set that its copy takes while it arrives."""


class WorkerSettings(NamedTuple):
    """The settings of the workers that a loader had."""

    workers: int
    prefetch: int
    pinned: bool


class Batches:
    """Batches of indices that are still to be loaded in a pass.

    Attributes:
        again: Those that were taken from the sampler before, first.
    """

    def __init__(self, again: Iterable[object], rest: Iterator[object]) -> None:
        self.again = deque(again)
        self._rest = rest

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> object:
        return self.again.popleft() if self.again else next(self._rest)


class FreshWorkers:
    """Workers for the rest of a pass.

    Args:
        loader: Whose data set and functions they use.
        batches: What is to be loaded; they take from it from ``take_over`` on.
        settings: Of the workers that the loader had.
        count: How many are started.
        seed: Of what they draw at random.
        since: When the training had imported its code, which must not have changed since.
        wait: Wraps torch's wait for a batch.

    Attributes:
        count: How many there are.
        iterator: torch's iterator over their batches; None until it is made.
        begun: When their start began.
        ready: Whether all have answered.
        reason, detail: Why they cannot be used; "" where they can.
    """

    def __init__(
        self,
        loader: DataLoader,
        batches: Batches,
        settings: WorkerSettings,
        *,
        count: int,
        seed: int,
        since: float,
        wait: Callable[..., tuple[bool, object]],
    ) -> None:
        self.count = count
        self.iterator: LoaderIterator | None = None
        self.ready = False
        self.reason = self.detail = ""
        self.begun = time.monotonic()
        self._source = _Source(batches)
        self._wait = wait
        self._ended = False
        try:
            state = spawning.check(loader, since)
            beside = _loader(loader, self._source, settings, count, seed)
        except spawning.NotSentError as error:
            self.reason, self.detail = WorkersReason.NOT_SENT, str(error)
            return
        except spawning.ChangedCodeError as error:
            self.reason, self.detail = WorkersReason.CHANGED_CODE, str(error)
            return
        except spawning.UnsafeMainError as error:
            self.reason, self.detail = WorkersReason.UNSAFE_MAIN, str(error)
            return
        needed, free = count * (WORKER_BYTES + COPY * state.size), free_memory.free_bytes()
        if free is not None and needed > free:
            self.reason = WorkersReason.MEMORY
            self.detail = f"{needed / GB:.1f} GB needed, {free / GB:.1f} GB free"
            return
        device = _device() if settings.pinned else None
        start = threading.Thread(
            target=self._start, args=(beside, state.imports_main, device), name="dualwatch-workers"
        )
        start.daemon = True
        start.start()

    def take_over(self) -> None:
        """Gives them what is to be loaded next."""
        iterator = self.iterator
        assert iterator is not None
        self._source.open = True
        for _ in range(iterator._prefetch_factor * self.count):
            iterator._try_put_index()

    def reason_of(self, error: Exception) -> str:
        """Why they raised an error while a batch was waited for; "" where they did not."""
        if worker_processes.is_from_worker(error):
            return WorkersReason.FAILED
        workers = getattr(self.iterator, "_workers", ())
        # A connection to a worker breaks before its end shows.
        broken = isinstance(error, (ConnectionError, EOFError))
        if broken or any(worker.exitcode is not None for worker in workers):
            return WorkersReason.DIED
        return ""

    def end(self) -> None:
        """Ends them; those that are still being started end when they are ready."""
        self._ended, self._source.open = True, False
        if self.iterator is not None:
            worker_processes.terminate_workers(self.iterator)

    # --- in the thread ---------------------------------------------------------------------------

    def _start(self, beside: DataLoader, imports_main: bool, device: int | None) -> None:
        try:
            if device is not None:
                _use_device(device)  # It pins memory for the device of the thread that starts it.
            if imports_main:
                iterator = _iterator(beside)
            else:
                with spawning.without_main():
                    iterator = _iterator(beside)
            # Torch would report their death as an error of the training.
            worker_processes.unwatch(iterator)
            try:
                _await_answers(iterator)
            except Exception:
                worker_processes.terminate_workers(iterator)
                raise
            guarded_classes.guard_waiting(iterator, self._wait)
            self.iterator, self.ready = iterator, True
            if self._ended:
                worker_processes.terminate_workers(iterator)
        except Exception as error:
            self.detail = f"{type(error).__name__}: {error}"
            self.reason = WorkersReason.NOT_STARTED


class _Source:
    """What torch takes batches of indices from: nothing before it is opened."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self.open = False

    def __iter__(self) -> _Source:
        return self

    def __next__(self) -> object:
        if not self.open:
            raise StopIteration
        return next(self._batches)


def _loader(
    loader: DataLoader, source: _Source, settings: WorkerSettings, count: int, seed: int
) -> DataLoader:
    """A loader of the same samples with a generator of its own: the model's is left alone."""
    import torch
    from torch.utils.data import DataLoader

    grouped = {"batch_sampler": source} if loader._auto_collation else {}
    single = {} if grouped else {"sampler": source, "batch_size": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The user has seen them at the start.
        return DataLoader(  # type: ignore[no-any-return]
            loader.dataset,
            **grouped,
            **single,
            num_workers=count,
            collate_fn=loader.collate_fn,
            pin_memory=settings.pinned,
            worker_init_fn=loader.worker_init_fn,
            multiprocessing_context="spawn",
            prefetch_factor=settings.prefetch,
            generator=torch.Generator().manual_seed(seed),
        )


def _iterator(beside: DataLoader) -> LoaderIterator:
    from torch.utils.data import dataloader

    iterator: LoaderIterator = dataloader._MultiProcessingDataLoaderIter(beside)
    return iterator


def _await_answers(iterator: LoaderIterator) -> None:
    """Waits until every worker has imported what it needs and reads its queue."""
    from torch.utils.data._utils import worker

    for tasks in iterator._index_queues:
        tasks.put(worker._ResumeIteration())
    end = time.monotonic() + START
    missing = len(iterator._index_queues)
    while missing:
        try:
            iterator._data_queue.get(timeout=LOOK)
            missing -= 1
        except queue.Empty:
            codes = [one.exitcode for one in iterator._workers if one.exitcode is not None]
            if codes:
                raise RuntimeError(f"a worker ended with exit code {codes[0]}") from None
            if time.monotonic() > end:
                raise RuntimeError(f"no answer within {START:.0f} s") from None


def _device() -> int | None:
    import torch

    return torch.cuda.current_device() if torch.cuda.is_initialized() else None


def _use_device(device: int) -> None:
    import torch

    torch.cuda.set_device(device)
