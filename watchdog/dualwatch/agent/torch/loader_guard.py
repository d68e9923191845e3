"""Tracks a DataLoader and replaces its workers while a batch is waited for.

Nothing is imported or started in a worker. What torch does between two batches stays torch's own;
only while a batch is waited for, four times a second, the guard looks for a command of the
supervisor.
"""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Callable, Protocol

from dualwatch.agent import files
from dualwatch.agent.torch import first_pass, guarded_classes, worker_processes
from dualwatch.agent.torch.fresh_workers import WorkerSettings
from dualwatch.agent.torch.guarded_classes import ReplaceLoader
from dualwatch.agent.torch.pace import Pace
from dualwatch.agent.torch.recovery import Recovery
from dualwatch.agent.torch.sample_tracker import SampleTracker
from dualwatch.protocol.workers import WorkersReason

if TYPE_CHECKING:
    from dualwatch.agent.torch.objects import (
        DataLoader,
        Generator,
        LoaderIterator,
        Sampler,
        Tensor,
    )
    from dualwatch.agent.torch.probation import Probation

TICK = 0.25
"""Seconds between two looks for a command while a batch is waited for."""


READS_AHEAD = "_dualwatch_reads_ahead"
"""Attribute of a loader, see ``LoaderGuard.reads_ahead``."""


class CommandSource(Protocol):
    """Who carries out commands; see ``agent.commands``."""

    guards: weakref.WeakSet[LoaderGuard]

    @property
    def without_workers(self) -> bool: ...

    @property
    def probation(self) -> Probation | None: ...

    def look(self, guard: LoaderGuard, waiting: bool = False) -> None: ...

    def batch_came(self, batch: object) -> None: ...


class LoaderGuard:
    """The guard of one loader.

    Args:
        loader: A ``DataLoader``; its class is replaced by a subclass.
        handler: Carries out commands; asked before each batch and while one is waited for.

    Attributes:
        tracker: Samples of the present pass.
        iterator: torch's iterator of the present pass.
        on_first: Called once, before the next batch.
        order_state: Random state from which the sampler drew the order of the present pass.
        resume_order: The same of a pass that the next one continues.
        reads_ahead: A wrapper in front of the loader takes each batch one request before the loop
            gets it, and calls ``reached_loop`` when it does.
    """

    def __init__(self, loader: DataLoader, handler: CommandSource) -> None:
        handler.guards.add(self)
        self.loader = loader
        self.tracker = SampleTracker()
        self._handler = handler
        self.iterator: LoaderIterator | None = None
        self._pace = Pace()
        self._recovery: Recovery | None = None
        self._persisted = False
        self.on_first: Callable[[], None] | None = None
        self.order_state: Tensor | None = None
        self.resume_order: Tensor | None = None
        self.reads_ahead = bool(loader.__dict__.get(READS_AHEAD))
        guarded_classes.guard_loader(loader, self)
        # Without batches samples are taken from the sampler directly.
        if loader.batch_sampler is not None:
            guarded_classes.guard_sampler(sampler_of(loader), self)
        if handler.without_workers:
            self.disable_workers()

    @property
    def has_workers(self) -> bool:
        """Whether the present pass is read by workers."""
        if self._recovery is not None and self._recovery.reading:
            return self._recovery.has_workers
        return bool(getattr(self.iterator, "_workers", None))

    @property
    def ahead(self) -> int:
        """Batches that were delivered and have not reached the loop."""
        return int(self.reads_ahead and self.tracker.active and self.tracker.batches > 0)

    def reached_loop(self, batch: object) -> None:
        """A batch that was read ahead is given to the loop."""
        self._handler.batch_came(batch)

    # --- a pass over the data --------------------------------------------------------------------

    def begin(self, iterator: LoaderIterator) -> LoaderIterator:
        """Guards an iterator that torch made, or its persistent one that starts over."""
        if guarded_classes.guard_iterator(iterator, self) and hasattr(iterator, "_workers"):
            worker_processes.report_deaths_between_iterations()
        self.iterator = iterator
        self._pace.interrupt()
        recovery, probation = self._recovery, self._handler.probation
        if recovery is not None:
            recovery.end()
            if probation is not None and probation.begun and not is_iterable_style(self.loader):
                recovery.begin(iterator, probation)
        return iterator

    def repeatable(self, indices: Iterator[object], sampler: Sampler) -> Iterator[object]:
        """The indices of a sampler, whose order can be drawn again in another process.

        torch's own samplers draw it with the first index.
        """
        import torch

        generator = getattr(sampler, "generator", None)
        own = isinstance(generator, torch.Generator)
        source: Generator = generator if generator is not None and own else torch.default_generator
        resumed, self.resume_order = self.resume_order, None
        before = source.get_state()
        if resumed is not None:
            source.set_state(resumed)
        self.order_state = source.get_state()
        found = list(islice(indices, 1))
        if resumed is not None and not own:
            source.set_state(before)  # The model draws from it, too.
        yield from chain(found, indices)

    def next(self, ask_torch: Callable[[], object]) -> object:
        """The next batch."""
        self._handler.look(self)
        first, self.on_first = self.on_first, None
        if first is not None:
            first()
        asked = time.monotonic()
        try:
            with worker_processes.waiting():
                batch = self._next(ask_torch)
        except StopIteration:
            self.tracker.ended()
            if self._recovery is not None:
                self._recovery.end()
            # Torch closes its queues where the loop lets go of its iterator: nobody else holds it.
            self.iterator = None
            raise
        self.tracker.delivered()
        self._pace.came(asked, time.monotonic())
        if not self.reads_ahead:
            self._handler.batch_came(batch)
        return batch

    def _next(self, ask_torch: Callable[[], object]) -> object:
        if self._recovery is None or not self._recovery.reading:
            try:
                return self._with_own_randomness(ask_torch)
            except ReplaceLoader:
                pass  # The rest of the pass has taken the place of torch's iterator.
            except StopIteration:
                raise
            except Exception as error:
                killed = worker_processes.killed(self.iterator, error)
                if not killed or killed in str(error):
                    raise
                raise RuntimeError(killed) from error
        assert self._recovery is not None
        return self._recovery.next()

    def _with_own_randomness(self, fetch: Callable[[], object]) -> object:
        """Draws what a worker would have drawn from random states of its own."""
        if self._recovery is None or self.has_workers:
            return fetch()
        with self._recovery.random.active():
            return fetch()

    def wait(
        self, ask_torch: Callable[[float], tuple[bool, object]], seconds: float
    ) -> tuple[bool, object]:
        """Waits for a worker, as torch does, and looks for a command in between.

        Raises:
            ReplaceLoader: The loader was replaced.
        """
        left = seconds
        while True:
            tick = min(TICK, left)
            found = ask_torch(tick)
            left -= tick
            if found[0] or left <= 0:
                return found
            self._handler.look(self, waiting=True)
            if self._recovery is not None:
                self._recovery.check_limit()

    def pulled(self, batches: Iterator[object]) -> Iterator[object]:
        """Batches of indices as torch takes them, drawn from the random state of the training."""
        while True:
            recovery = self._recovery
            with recovery.random.paused() if recovery is not None else contextlib.nullcontext():
                try:
                    batch = next(batches)
                except StopIteration:
                    return
            yield batch

    # --- replacement -----------------------------------------------------------------------------

    def replace(self) -> None:
        """Ends the workers and continues without: in this pass, and in all that follow.

        The batches that the workers had and did not deliver come first, in their order; then the
        rest of the sampler, which continues where it was.
        """
        iterator, recovery, tracker = self.iterator, self._recovery, self.tracker
        probation = self._handler.probation
        assert iterator is not None  # A pass is under way.
        assert probation is not None  # Somebody asked for it.
        if recovery is not None and recovery.has_workers:
            recovery.relapse(WorkersReason.HUNG, "proven by the supervisor")
            return
        self.disable_workers(int(getattr(iterator, "_base_seed", 0)) + tracker.batches)
        assert self._recovery is not None
        self._recovery.begin(iterator, probation, done=tracker.batches, again=[*tracker.given])
        worker_processes.terminate_workers(iterator)

    def disable_workers(self, seed: int | None = None) -> None:
        """Uses no workers from the next pass on; the present one is left alone.

        Args:
            seed: Of what is drawn in their place; by default that of workers that are idle.
        """
        loader = self.loader
        if not loader.num_workers:
            return
        idle = getattr(loader, "_iterator", None)
        if idle is not None and (idle is not self.iterator or not self.tracker.active):
            worker_processes.terminate_workers(idle)
        self._recovery = Recovery(
            loader,
            self.tracker,
            WorkerSettings(loader.num_workers, loader.prefetch_factor or 2, loader.pin_memory),
            seed=int(getattr(idle, "_base_seed", 0)) if seed is None else seed,
            pace=self._pace,
            wait=self.wait,
        )
        self._persisted = bool(loader.persistent_workers)
        # Directly, since torch forbids setting them: nothing of this pass reads them any more.
        loader.__dict__.update(num_workers=0, timeout=0, prefetch_factor=None, _iterator=None)
        loader.__dict__["persistent_workers"] = False

    @contextlib.contextmanager
    def without_extra_draws(self) -> Iterator[None]:
        """Restores torch's random state around an iterator that persistent workers would not need.

        Torch draws a seed for each iterator; the model must not notice.
        """
        if not self._persisted or not self.tracker.passes:
            yield
            return
        import torch

        state = torch.get_rng_state()
        try:
            yield
        finally:
            torch.set_rng_state(state)

    def restart(self) -> Iterator[object]:
        """A fresh iterator in place of one that was made before a position was restored."""
        worker_processes.terminate_workers(self.iterator)
        if getattr(self.loader, "_iterator", None) is not None:
            self.loader.__dict__["_iterator"] = None
        return iter(self.loader)

    # --- the pending batch -----------------------------------------------------------------------

    def awaited(self) -> list[str]:
        """The samples of the batch that is waited for: their index and, where known, file."""
        if not self.tracker.given:
            return []
        batch = self.tracker.given[0]
        members = list(batch) if isinstance(batch, (list, tuple)) else [batch]
        return [self._sample(index) for index in members[:64]]

    def _sample(self, index: object) -> str:
        text = f"index {index}"
        try:
            info = self.loader.dataset.get_data_info(index)
            for key in ("img_path", "file_name", "filename", "lidar_path"):
                path = info.get(key)
                if isinstance(path, (str, os.PathLike)):
                    return f"{text}: {os.fspath(path)}"
        except Exception:
            pass  # This dataset has no such method; the index alone helps, too.
        return text


def guarded(loader: object, handler: CommandSource) -> object:
    """Guards a loader and returns it; anything but a DataLoader is returned as it is."""
    try:
        from torch.utils.data import DataLoader

        if isinstance(loader, DataLoader) and guard_of(loader) is None:
            LoaderGuard(loader, handler)
    except Exception:
        files.note_error("guarding a loader")
    return loader


def guard_every_loader(guard: Callable[[object], object]) -> None:
    """Guards each DataLoader of this process when it makes its first iterator.

    For frameworks that build and rebuild loaders in ways of their own.
    """
    from torch.utils.data import DataLoader

    first_pass.before(DataLoader, guard)


def guard_of(loader: object) -> LoaderGuard | None:
    """The guard of a loader, None where it has none."""
    return getattr(loader, "_dualwatch", None)


def is_iterable_style(loader: DataLoader) -> bool:
    """Whether its dataset has an order of its own, which cannot be repeated."""
    from torch.utils.data import IterableDataset

    return isinstance(loader.dataset, IterableDataset)


def sampler_of(loader: DataLoader) -> Sampler | None:
    """The sampler of single indices."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    own = batch_sampler is None
    found: Sampler | None = loader.sampler if own else getattr(batch_sampler, "sampler", None)
    return found
