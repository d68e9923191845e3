"""Reads of a journal what is wanted of it: a long run has a million lines, a page a few thousand.

Which kind a line is, its first bytes tell, so that what is not wanted costs no reading of JSON.
What comes often is thinned on its bytes: of each stretch of time one line is read, the heaviest,
so that a spike stays a spike.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dualwatch.events import Event, journal

_HEAD = b'{"kind": "'
_WALL = re.compile(rb'"wall": (-?[0-9][0-9.eE+-]*)')
_LAST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a frequent kind is thinned.

    Attributes:
        spacing: Of each so many seconds one line is given.
        weight: Number of a line: the heaviest of its stretch is given, without it the first.
        key: What a line is about: the first line of another key is given as well.
        newest: So many of the newest lines before a landmark are given as well.
    """

    spacing: float
    weight: Callable[[bytes], float] | None = None
    key: Callable[[bytes], object] | None = None
    newest: int = 1


def sample(
    path: Path,
    wanted: Mapping[type[Event], Sampling | None],
    *,
    landmarks: Collection[type[Event]] = (),
    start: int = 0,
) -> Iterator[Event]:
    """Facts of a journal; a cut or damaged line is passed over.

    The events of one kind come in their order. One that is thinned by weight comes when its stretch
    is over, at the latest before the next landmark.

    Args:
        wanted: Kind -> how it is thinned, None for all of them; other kinds are left unread.
        landmarks: Kinds before which the newest lines of the thinned ones count too.
        start: Offset of a line, as ``journal.newest`` gives it.
    """
    full = {_name(kind) for kind, thin in wanted.items() if thin is None}
    thinned = {_name(kind): _Stream(thin) for kind, thin in wanted.items() if thin is not None}
    stops = {_name(kind) for kind in landmarks}
    kinds = tuple(wanted)
    with path.open("rb") as stream:
        stream.seek(start)
        for line in stream:
            if not line.startswith(_HEAD):
                yield from _read((line,), kinds)  # Nobody says that it was written by us.
                continue
            name = line[len(_HEAD) : line.find(b'"', len(_HEAD))]
            if name in thinned:
                for one in thinned[name].take(line):
                    yield from _read((one,), kinds)
            elif name in full:
                if name in stops:
                    for other in thinned.values():
                        yield from _read(other.flush(), kinds)
                event = journal.fact_of(line)
                if event is not None:
                    yield event
    for other in thinned.values():
        yield from _read(other.flush(), kinds)


def span(path: Path, start: int = 0) -> float:
    """Seconds between the first event and the last one of a journal; 0 where it holds none."""
    with path.open("rb") as stream:
        end = stream.seek(0, 2)
        stream.seek(start)
        first = _WALL.search(stream.read(_LAST_BYTES))
        stream.seek(max(start, end - _LAST_BYTES))
        last = _WALL.findall(stream.read())
    if first is None or not last:
        return 0.0
    return max(0.0, _number(last[-1]) - _number(first[1]))


@dataclass(slots=True)
class _Stream:
    """The lines of one thinned kind, of which few are given."""

    thin: Sampling
    _until: float = float("-inf")
    _key: object = None
    _heaviest: tuple[float, int, bytes] | None = None
    _newest: deque[tuple[int, bytes]] = field(default_factory=deque)
    _given: int = -1
    _count: int = 0

    def __post_init__(self) -> None:
        self._newest = deque(maxlen=self.thin.newest)

    def take(self, line: bytes) -> list[bytes]:
        """The lines that are to be read now that this one came."""
        thin = self.thin
        number = self._count
        self._count = number + 1
        self._newest.append((number, line))
        found = _WALL.search(line, 0, 200)
        wall = _number(found[1]) if found is not None else self._until
        key = thin.key(line) if thin.key is not None else None
        given: list[tuple[int, bytes]] = []
        if wall >= self._until or key != self._key:
            given = self._release()
            self._until, self._key = wall + thin.spacing, key
            if thin.weight is None:
                given.append((number, line))
        if thin.weight is not None:
            weight = thin.weight(line)
            if self._heaviest is None or weight > self._heaviest[0]:
                self._heaviest = (weight, number, line)
        return self._fresh(given) if given else []

    def flush(self) -> list[bytes]:
        """What is left, with the newest."""
        return self._fresh([*self._release(), *self._newest])

    def _release(self) -> list[tuple[int, bytes]]:
        waiting, self._heaviest = self._heaviest, None
        return [waiting[1:]] if waiting is not None else []

    def _fresh(self, lines: list[tuple[int, bytes]]) -> list[bytes]:
        """In their order, those that were not given before."""
        fresh = []
        for number, line in sorted(lines):
            if number > self._given:
                self._given = number
                fresh.append(line)
        return fresh


def _read(lines: Collection[bytes], kinds: tuple[type[Event], ...]) -> Iterator[Event]:
    for line in lines:
        event = journal.fact_of(line)
        if event is not None and isinstance(event, kinds):
            yield event


def _name(kind: type[Event]) -> bytes:
    return journal.name_of(kind).encode()


def _number(digits: bytes) -> float:
    try:
        return float(digits)
    except ValueError:
        return 0.0
