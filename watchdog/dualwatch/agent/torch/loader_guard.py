"""Loaders in our care: where they stand is known, and one that is waited for can be replaced.

A loader gets a subclass of its own class, and so do its sampler and its iterators: whoever asks
for their type or their attributes sees what was there before. Nothing is imported or started in a
worker. What torch does between two batches stays torch's own; only while a batch is waited for,
four times a second, the guard looks whether the supervisor wants something.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from dualwatch.agent import files
from dualwatch.agent.torch import worker_processes
from dualwatch.agent.torch.rng import RandomStates
from dualwatch.agent.torch.sample_tracker import SampleTracker

TICK = 0.25
"""Seconds between two looks at the order while a batch is waited for."""


class ReplaceLoader(BaseException):
    """Unwinds torch's waiting. No Exception, which torch would take for a fault of its queue."""


class LoaderGuard:
    """What is known of one loader, and what is done to it.

    Args:
        loader: A ``DataLoader``; it is given a class of its own.
        handler: Where orders come in; asked while a batch is waited for and before each one.
    """

    def __init__(self, loader: Any, handler: Any) -> None:
        handler.guards.append(self)
        self.loader = loader
        self.ledger = SampleTracker()
        self._desk = handler
        self.iterator: Any = None
        self._rest: Iterator[Any] | None = None
        self._dice: RandomStates | None = None
        self._persisted = False
        self.on_first: Callable[[], None] | None = None
        loader.__dict__["_dualwatch"] = self
        _become(loader, _loader_like)
        self._arm_sampler()

    def _arm_sampler(self) -> None:
        """Where it cannot be done, the books are kept by batches."""
        sampler = sampler_of(self.loader)
        # Where there are no batches, it is taken from directly.
        if self.loader.batch_sampler is not None and hasattr(sampler, "__dict__"):
            try:
                _become(sampler, _sampler_like)
            except TypeError:
                return
            sampler._dualwatch = self

    @property
    def has_workers(self) -> bool:
        """Whether the present pass is read by workers."""
        return self._rest is None and bool(getattr(self.iterator, "_workers", None))

    # --- a pass over the data --------------------------------------------------------------------

    def begun(self, iterator: Any) -> Any:
        """Torch made an iterator, or took its persistent one up again."""
        if not hasattr(iterator, "_dualwatch"):
            iterator._dualwatch = self
            _become(iterator, _iterator_like)
            if hasattr(iterator, "_workers"):
                worker_processes.report_deaths_between_iterations()
        self.iterator, self._rest = iterator, None
        return iterator

    def next(self, ask_torch: Callable[[], Any]) -> Any:
        """The next batch."""
        self._desk.look(self)
        first, self.on_first = self.on_first, None
        if first is not None:
            first()
        try:
            with worker_processes.waiting():
                batch = self._next(ask_torch)
        except StopIteration:
            self.ledger.ended()
            raise
        self.ledger.delivered()
        return batch

    def _next(self, ask_torch: Callable[[], Any]) -> Any:
        if self._rest is None:
            try:
                return self._with_dice(ask_torch)
            except ReplaceLoader:
                pass  # The handler has put the rest of the pass in place of torch's iterator.
            except StopIteration:
                raise
            except Exception as error:
                killed = worker_processes.killed(self.iterator, error)
                if not killed or killed in str(error):
                    raise
                raise RuntimeError(killed) from error
        assert self._rest is not None
        rest = self._rest
        return self._with_dice(lambda: next(rest))

    def _with_dice(self, fetch: Callable[[], Any]) -> Any:
        """Samples that take the place of a worker's are drawn with dice of their own."""
        if self._dice is None or self.has_workers:
            return fetch()
        with self._dice.thrown():
            return fetch()

    def wait(self, ask_torch: Callable[[float], Any], seconds: float) -> Any:
        """Waits for a worker, as torch does, and looks at the handler in between.

        Raises:
            Replace: The loader was replaced.
        """
        left = seconds
        while True:
            tick = min(TICK, left)
            found = ask_torch(tick)
            left -= tick
            if found[0] or left <= 0:
                return found
            self._desk.look(self, waiting=True)

    # --- replacement -----------------------------------------------------------------------------

    def replace(self) -> None:
        """Puts the workers down and goes on without: this pass, and all that follow.

        The batches that the workers had and did not deliver come first, in their order; then what
        the sampler, which was never asked anew, still has to give.
        """
        iterator = self.iterator
        if self._dice is None:
            self._dice = RandomStates(int(getattr(iterator, "_base_seed", 0)) + self.ledger.batches)
        waiting = [*self.ledger.given]
        self._rest = self._read(waiting, iterator._sampler_iter)
        worker_processes.terminate_workers(iterator)
        self.without_workers()

    def without_workers(self) -> None:
        """From the next pass on; the present one is left alone."""
        loader = self.loader
        if not loader.num_workers:
            return
        idle = getattr(loader, "_iterator", None)
        if idle is not None and (idle is not self.iterator or not self.ledger.active):
            worker_processes.terminate_workers(idle)
        if self._dice is None:
            self._dice = RandomStates(int(getattr(idle, "_base_seed", 0)))
        self._persisted = bool(loader.persistent_workers)
        # Past torch's own watch over its attributes: nothing of this pass reads them any more.
        loader.__dict__.update(num_workers=0, timeout=0, prefetch_factor=None, _iterator=None)
        loader.__dict__["persistent_workers"] = False

    @contextlib.contextmanager
    def drawing_as_before(self) -> Iterator[None]:
        """Inside, an iterator is made that persistent workers would not have needed.

        Torch draws a seed for each; the model must not notice.
        """
        if not self._persisted or not self.ledger.passes:
            yield
            return
        import torch

        state = torch.get_rng_state()
        try:
            yield
        finally:
            torch.set_rng_state(state)

    def start_anew(self) -> Any:
        """A fresh iterator, where the present one was made before the place to go on was known."""
        worker_processes.terminate_workers(self.iterator)
        if getattr(self.loader, "_iterator", None) is not None:
            self.loader.__dict__["_iterator"] = None
        batch_sampler: Any = getattr(self.loader, "batch_sampler", None)
        if hasattr(batch_sampler, "_aspect_ratio_buckets"):
            batch_sampler._aspect_ratio_buckets = [[] for _ in batch_sampler._aspect_ratio_buckets]
        sampler = sampler_of(self.loader)
        if hasattr(sampler, "_indices_of_rank"):
            sampler.indices = sampler._indices_of_rank()  # mmengine's endless one, from its start
        return iter(self.loader)

    def _read(self, waiting: list[Any], rest: Iterator[Any]) -> Iterator[Any]:
        from torch.utils.data._utils import fetch

        loader, pinned = self.loader, getattr(self.iterator, "_pin_memory", False)
        kind = fetch._MapDatasetFetcher
        make = kind(loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last)
        # The books hold the waiting ones already; what the sampler still gives is written down.
        for indices in chain(waiting, rest):
            yield _pinned(make.fetch(indices), pinned)

    # --- what is waited for ----------------------------------------------------------------------

    def awaited(self) -> list[str]:
        """The samples of the batch that does not come: their index and, where it is told, file."""
        if not self.ledger.given:
            return []
        batch = self.ledger.given[0]
        members = list(batch) if isinstance(batch, (list, tuple)) else [batch]
        return [self._sample(index) for index in members[:64]]

    def _sample(self, index: Any) -> str:
        text = f"index {index}"
        try:
            info = self.loader.dataset.get_data_info(index)
            for key in ("img_path", "file_name", "filename", "lidar_path"):
                if isinstance(info.get(key), (str, os.PathLike)):
                    return f"{text}: {os.fspath(info[key])}"
        except Exception:
            pass  # A dataset that cannot tell; the index is something, too.
        return text


def guarded(loader: Any, handler: Any) -> Any:
    """Takes a loader into our care; returns it. One that cannot be is left as it is."""
    try:
        from torch.utils.data import DataLoader

        if isinstance(loader, DataLoader) and not hasattr(loader, "_dualwatch"):
            LoaderGuard(loader, handler)
    except Exception:
        files.note_error("guarding a loader")
    return loader


def guard_of(loader: Any) -> LoaderGuard | None:
    """The guard of a loader, None where it has none."""
    return getattr(loader, "_dualwatch", None)


def is_iterable_style(loader: Any) -> bool:
    """Whether its dataset hands out samples in an order of its own, which nobody can repeat."""
    from torch.utils.data import IterableDataset

    return isinstance(loader.dataset, IterableDataset)


def sampler_of(loader: Any) -> Any:
    """The sampler that gives single indices; mmengine looks for it in the same two places."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    return getattr(batch_sampler, "sampler", None) if batch_sampler is not None else loader.sampler


# --- the classes that are slipped under torch's own ----------------------------------------------


def _loader_like(kind: Any) -> type:
    class Guarded(kind):  # type: ignore[misc]
        def __iter__(self):
            guard = self._dualwatch
            try:
                with guard.drawing_as_before():
                    iterator = super().__iter__()
                return guard.begun(iterator)
            except ReplaceLoader:
                return guard.iterator  # Persistent workers did not take up the new pass.

        @property
        def _index_sampler(self):
            return _Indices(super()._index_sampler, self)

    return Guarded


def _iterator_like(kind: Any) -> type:
    class Guarded(kind):  # type: ignore[misc]
        def __next__(self):
            return self._dualwatch.next(super().__next__)

        def _try_get_data(self, timeout=5.0):
            return self._dualwatch.wait(super()._try_get_data, timeout)

    return Guarded


def _sampler_like(kind: Any) -> type:
    class Guarded(kind):  # type: ignore[misc]
        def __iter__(self):
            return self._dualwatch.ledger.sampled(iter(super().__iter__()))

    return Guarded


class _Indices:
    """What a loader takes its indices from, with a pencil."""

    def __init__(self, sampler: Any, loader: Any) -> None:
        self._sampler, self._loader = sampler, loader

    def __iter__(self):
        # Torch asks for an iterator twice where it starts workers, and takes from the second one:
        # a pass begins when something is taken.
        ledger = self._loader._dualwatch.ledger
        ledger.begin()
        size = getattr(self._loader, "batch_size", None)
        if size is None:
            size = getattr(self._sampler, "batch_size", None)
        yield from ledger.batched(iter(self._sampler), size if isinstance(size, int) else 1)

    def __len__(self) -> int:
        return len(self._sampler)

    def __getattr__(self, name):
        return getattr(self._sampler, name)


def _become(thing: Any, like: Callable[[Any], type]) -> None:
    """Gives a thing a subclass of its own class, which looks like it."""
    kind = type(thing)
    guarded = like(kind)
    guarded.__name__, guarded.__qualname__ = kind.__name__, kind.__qualname__
    guarded.__module__, guarded.__doc__ = kind.__module__, kind.__doc__
    thing.__class__ = guarded


def _pinned(batch: Any, wanted: bool) -> Any:
    if not wanted:
        return batch
    from torch.utils.data._utils.pin_memory import pin_memory

    return pin_memory(batch)
