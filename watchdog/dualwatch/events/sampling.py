"""Samples a journal: a long run has a million events, a page shows a few thousand.

Of each stretch of time one event of a frequent kind is given, the heaviest, so that a spike stays
a spike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from dualwatch.events import journal
from dualwatch.events.base import Event

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling(Generic[E]):
    """How a frequent kind is thinned.

    Attributes:
        spacing: Of each so many seconds one event is given.
        weight: The heaviest event of its stretch is given, without it the first.
        key: What an event is about: the first one of another key is given as well.
        newest: So many of the newest events before a landmark are given as well.
    """

    spacing: float
    weight: Callable[[E], float] | None = None
    key: Callable[[E], object] | None = None
    newest: int = 1


def sample(
    path: Path,
    wanted: Mapping[type[Event], Sampling[Any] | None],
    *,
    landmarks: Collection[type[Event]] = (),
    start: int = 0,
) -> Iterator[Event]:
    """Events of a journal; a cut or damaged line is passed over.

    The events of one kind come in their order. One that is thinned by weight comes when its stretch
    is over, at the latest before the next landmark.

    Args:
        wanted: Kind -> how it is thinned, None for all of them; other kinds are left out.
        landmarks: Kinds before which the newest of the thinned ones are given too.
        start: Offset of a line, as ``journal.newest`` gives it.
    """
    thinned = {kind: _Stream(thin) for kind, thin in wanted.items() if thin is not None}
    for event in journal.read(path, start):
        kind = type(event)
        if kind in thinned:
            yield from thinned[kind].take(event)
        elif kind in wanted:
            if kind in landmarks:
                for other in thinned.values():
                    yield from other.flush()
            yield event
    for other in thinned.values():
        yield from other.flush()


@dataclass(slots=True)
class _Stream(Generic[E]):
    """The events of one thinned kind, of which few are given."""

    thin: Sampling[E]
    _until: float = float("-inf")
    _key: object = None
    _heaviest: tuple[float, int, E] | None = None
    _newest: deque[tuple[int, E]] = field(default_factory=deque)
    _given: int = -1
    _count: int = 0

    def __post_init__(self) -> None:
        self._newest = deque(maxlen=self.thin.newest)

    def take(self, event: E) -> list[E]:
        """The events that are given now that this one came."""
        thin, number = self.thin, self._count
        self._count = number + 1
        self._newest.append((number, event))
        key = thin.key(event) if thin.key is not None else None
        given: list[tuple[int, E]] = []
        if event.wall >= self._until or key != self._key:
            given = self._release()
            self._until, self._key = event.wall + thin.spacing, key
            if thin.weight is None:
                given.append((number, event))
        if thin.weight is not None:
            weight = thin.weight(event)
            if self._heaviest is None or weight > self._heaviest[0]:
                self._heaviest = (weight, number, event)
        return self._fresh(given) if given else []

    def flush(self) -> list[E]:
        """What is left, with the newest."""
        return self._fresh([*self._release(), *self._newest])

    def _release(self) -> list[tuple[int, E]]:
        waiting, self._heaviest = self._heaviest, None
        return [waiting[1:]] if waiting is not None else []

    def _fresh(self, numbered: list[tuple[int, E]]) -> list[E]:
        """In their order, those that were not given before."""
        fresh = []
        for number, event in sorted(numbered, key=lambda one: one[0]):
            if number > self._given:
                self._given = number
                fresh.append(event)
        return fresh
