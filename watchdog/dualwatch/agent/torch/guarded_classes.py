"""Subclasses of a loader's, its sampler's and its iterators' own classes, which call a guard.

Type checks and attributes give what they gave before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterator, Protocol

from dualwatch.agent.torch.sample_tracker import SampleTracker

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from dualwatch.agent.torch.objects import DataLoader, LoaderIterator, Sampler


class ReplaceLoader(BaseException):
    """Unwinds torch's waiting. No Exception, which torch would take for an error of its queue."""


class Guard(Protocol):
    """What these classes call; see ``loader_guard``."""

    tracker: SampleTracker
    iterator: LoaderIterator | None

    def begin(self, iterator: LoaderIterator) -> LoaderIterator: ...
    def next(self, ask_torch: Callable[[], object]) -> object: ...
    def wait(
        self, ask_torch: Callable[[float], tuple[bool, object]], seconds: float
    ) -> tuple[bool, object]: ...
    def repeatable(self, indices: Iterator[object], sampler: Sampler) -> Iterator[object]: ...
    def pulled(self, batches: Iterator[object]) -> Iterator[object]: ...
    def without_extra_draws(self) -> AbstractContextManager[None]: ...


def guard_loader(loader: DataLoader, guard: Guard) -> None:
    """Gives a loader its guard."""
    loader.__dict__["_dualwatch"] = guard
    _subclass(loader, _loader_class)


def guard_sampler(sampler: Sampler | None, guard: Guard) -> None:
    """Gives a sampler its guard; where that is impossible, samples are tracked by batches."""
    if sampler is None or not hasattr(sampler, "__dict__"):
        return
    try:
        _subclass(sampler, _sampler_class)
    except TypeError:
        return
    sampler.__dict__["_dualwatch"] = guard


def guard_iterator(iterator: LoaderIterator, guard: Guard) -> bool:
    """Gives torch's iterator its guard; whether it had none."""
    if hasattr(iterator, "_dualwatch"):
        return False
    iterator.__dict__["_dualwatch"] = guard
    _subclass(iterator, _iterator_class)
    return True


def guard_waiting(iterator: LoaderIterator, wait: Callable[..., tuple[bool, object]]) -> None:
    """Wraps the waiting of torch's iterator alone; its batches are the caller's own matter."""

    def _waiting_class(kind: type) -> type:
        class Guarded(kind):  # type: ignore[misc]
            def _try_get_data(self, timeout=5.0):
                return wait(super()._try_get_data, timeout)

        return Guarded

    _subclass(iterator, _waiting_class)


def _loader_class(kind: type) -> type:
    class Guarded(kind):  # type: ignore[misc]
        def __iter__(self):
            iterator = super().__iter__()
            # None where persistent workers did not start the new pass and were replaced.
            return self._dualwatch.iterator if iterator is None else iterator

        def _get_iterator(self):
            guard = self.__dict__.get("_dualwatch")
            if guard is None:  # A copy that a framework made with this class.
                return super()._get_iterator()
            with guard.without_extra_draws():
                iterator = super()._get_iterator()
            return guard.begin(iterator)

        @property
        def _index_sampler(self):
            guard = self.__dict__.get("_dualwatch")
            indices = super()._index_sampler
            return indices if guard is None else _TrackedIndices(indices, self, guard)

    return Guarded


def _iterator_class(kind: type) -> type:
    class Guarded(kind):  # type: ignore[misc]
        def __next__(self):
            return self._dualwatch.next(super().__next__)

        def _reset(self, *args, **kwargs):
            try:
                super()._reset(*args, **kwargs)
            except ReplaceLoader:
                return
            self._dualwatch.begin(self)

        def _try_get_data(self, timeout=5.0):
            return self._dualwatch.wait(super()._try_get_data, timeout)

    return Guarded


def _sampler_class(kind: type) -> type:
    class Guarded(kind):  # type: ignore[misc]
        def __iter__(self):
            guard = self._dualwatch
            return guard.tracker.sampled(guard.repeatable(iter(super().__iter__()), self))

    return Guarded


class _TrackedIndices:
    """A loader's source of indices, which are recorded as they are taken."""

    def __init__(self, indices: Sampler, loader: DataLoader, guard: Guard) -> None:
        self._indices, self._loader, self._guard = indices, loader, guard

    def __iter__(self):
        # Torch asks for an iterator twice where it starts workers, and takes from the second one:
        # a pass begins when something is taken.
        tracker = self._guard.tracker
        tracker.begin()
        size = getattr(self._loader, "batch_size", None)
        if size is None:
            size = getattr(self._indices, "batch_size", None)
        size = size if isinstance(size, int) else 1
        yield from self._guard.pulled(tracker.batched(iter(self._indices), size))

    def __len__(self) -> int:
        return len(self._indices)

    def __getattr__(self, name):
        return getattr(self._indices, name)


def _subclass(thing: object, make: Callable[[type], type]) -> None:
    """Replaces the class of a thing by a subclass with the same name."""
    # A framework may have made a copy with a class from here.
    kind = getattr(type(thing), "_dualwatch_base", type(thing))
    guarded = make(kind)
    guarded._dualwatch_base = kind  # type: ignore[attr-defined]
    guarded.__name__, guarded.__qualname__ = kind.__name__, kind.__qualname__
    guarded.__module__, guarded.__doc__ = kind.__module__, kind.__doc__
    thing.__class__ = guarded
