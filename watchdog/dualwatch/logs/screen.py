"""Training lines in the midst of a long log: each is looked at, some are parsed. Pure.

Parsing a million lines takes half a minute. So each line is searched for values that are not
finite, or many times as large as those of the opening. Parsed are the lines where that changes,
the large ones, and of the rest some at even distances, for the course of the losses. Bounded.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

SAMPLES = 1024
"""Lines that are parsed at even distances; up to twice as many."""

CHANGES = 1000
"""Changes between finite and not finite that are kept; of more, the lines are only counted."""

LARGE = 500
"""Large lines that are kept, and as many of the newest."""

LEAST_DIGITS = 2
"""Digits before the point that a loss may have whatever the opening was."""


_NON_FINITE = re.compile(
    r"([^\s:=,({'\"]+)['\"]?(?: ?[:=] *| {1,4}\(? ?)['\"]?[-+]?(?:nan|inf)(?![^\W\d])",
    re.IGNORECASE,
)
_POWER = re.compile(r"\d[eE]\+\d")
_WHOLE_PART = re.compile(r"(?::|=|[Ll]oss) ?-?(\d+)\.")
_LARGE_POWER = re.compile(r"(?::|=|[Ll]oss) ?-?\d(?:\.\d+)?[eE]\+(\d+)")
_LOSS = "loss: "
_LOSS_VALUE = re.compile(r"[Ll]oss'?(?: {0,2}[:=] {0,2}| )(\d+)")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Screened(Generic[T]):
    """A training line that is to be parsed.

    Attributes:
        number: Its number among the lines and events of the log.
        ordinal: Its number among the lines that were screened, from 1.
        hits: How many of those, with this one, held a value that is not finite.
        hit: Whether this one does.
        item: The line itself.
        skipped, skipped_hits: Lines before it that are not parsed, and hits among them.
    """

    number: int
    ordinal: int
    hits: int
    hit: bool
    item: T
    skipped: int = 0
    skipped_hits: int = 0


class Screen(Generic[T]):
    """Takes training lines, or rows of numbers, in their order.

    Attributes:
        lines: How many it has taken.
        hits: How many of them held a value that is not finite.
    """

    def __init__(self) -> None:
        self.lines = self.hits = 0
        self._changes = 0
        self._names: tuple[str, ...] = ()
        self._last: tuple[int, T] | None = None
        self._left = self._stride = 1
        self._samples: list[Screened[T]] = []
        self._changed: list[Screened[T]] = []
        self._large: list[Screened[T]] = []

    def take(self, number: int, item: T, names: tuple[str, ...], is_large: bool) -> None:
        """Takes the next one. Called for each of a million lines.

        Args:
            names: The metrics in it that are not finite.
            is_large: Whether a value is many times as large as usual.
        """
        self.lines += 1
        if names:
            self.hits += 1
        if names != self._names or self._last is None:
            self._change(number, item, names)
        elif is_large:
            self._large.append(self._screened(number, item))
            if len(self._large) > 2 * LARGE:
                del self._large[LARGE]
        self._last = (number, item)
        self._left -= 1
        if not self._left:
            self._samples.append(self._screened(number, item))
            if len(self._samples) > 2 * SAMPLES:
                del self._samples[::2]
                self._stride *= 2
            self._left = self._stride

    def take_sound(self, items: Sequence[tuple[int, T]]) -> None:
        """Takes several, with their numbers: all finite, none large."""
        done = 0
        while done < len(items):
            step = 1
            if self._last is not None and not self._names:
                step = min(self._left, len(items) - done)  # The next that is a sample.
            self.lines += step - 1
            self._left -= step - 1
            done += step
            self.take(*items[done - 1], (), is_large=False)

    def _change(self, number: int, item: T, names: tuple[str, ...]) -> None:
        """The first line in which other metrics are not finite; the one before it is the last."""
        last, before = self._last, bool(self._names)
        self._names = names
        self._changes += 1
        if self._changes > CHANGES:
            return
        if last is not None:
            hits = self.hits - bool(names)
            self._changed.append(Screened(last[0], self.lines - 1, hits, before, last[1]))
        self._changed.append(self._screened(number, item))

    def _screened(self, number: int, item: T) -> Screened[T]:
        return Screened(number, self.lines, self.hits, bool(self._names), item)

    def parsed(self) -> Iterator[Screened[T]]:
        """Those that are to be parsed, in their order."""
        last = (self._screened(*self._last),) if self._last is not None else ()
        every = {one.ordinal: one for one in (*self._samples, *self._changed, *self._large, *last)}
        return _with_gaps(every[ordinal] for ordinal in sorted(every))


def _with_gaps(kept: Iterable[Screened[T]]) -> Iterator[Screened[T]]:
    ordinal = hits = 0
    for one in kept:
        yield Screened(
            one.number,
            one.ordinal,
            one.hits,
            one.hit,
            one.item,
            skipped=one.ordinal - ordinal - 1,
            skipped_hits=one.hits - one.hit - hits,
        )
        ordinal, hits = one.ordinal, one.hits


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of a training line without parsing it, the same whatever its digits are.

    Attributes:
        non_finite: Names of the metrics that are not finite.
        loss: Digits before the point of the last loss, None where that is not seen.
        digits: Most digits that a value has before the point.
        has_power: Whether a value has a positive power of ten.
    """

    non_finite: tuple[str, ...]
    loss: int | None
    digits: int
    has_power: bool

    @classmethod
    def at(cls, line: str) -> Look:
        """Looks at a line."""
        has_power = _POWER.search(line) is not None
        start = line.rfind(_LOSS)
        loss = None
        if start >= 0 and not has_power:
            start += len(_LOSS)
            loss = max(line.find(".", start) - start, 0)
        elif not has_power:
            losses = _LOSS_VALUE.findall(line)
            loss = len(losses[-1]) if losses else None
        digits = max((len(part) for part in _WHOLE_PART.findall(line)), default=0)
        names = tuple(_NON_FINITE.findall(line)) if _may_be_non_finite(line) else ()
        return cls(names, loss, digits, has_power)


def _may_be_non_finite(line: str) -> bool:
    low = line.lower()
    return "nan" in low or "inf" in low


class LineLook:
    """How large the values of a training are in its opening: digits before the point."""

    def __init__(self) -> None:
        self._loss_digits = self._digits = LEAST_DIGITS

    def learn(self, line: str) -> None:
        """Takes a line of the opening."""
        parts = _WHOLE_PART.findall(line)
        self._digits = max(self._digits, *(len(part) + 1 for part in parts), 0)
        losses = _LOSS_VALUE.findall(line)
        if losses:
            self._loss_digits = max(self._loss_digits, len(losses[-1]) + 1)

    def is_large(self, line: str, look: Look) -> bool:
        """Whether a loss has more digits than those of the opening."""
        if look.loss is not None:
            return look.loss > self._loss_digits
        if look.digits > self._digits:
            return True
        return look.has_power and any(
            int(power) >= self._digits for power in _LARGE_POWER.findall(line)
        )


class PutOffLines:
    """Training lines after those of the opening, which are parsed when the log is read, if at all.

    Args:
        newest: How many at the end are all parsed, at least; fewer than twice as many.
    """

    def __init__(self, newest: int) -> None:
        self._most = newest
        self._newest: deque[tuple[int, str, Look]] = deque()
        self._screen: Screen[str] = Screen()
        self._opening = LineLook()
        self.learn = self._opening.learn

    def __len__(self) -> int:
        return len(self._newest)

    def take(self, number: int, line: str, look: Look) -> None:
        """The next line; ``number`` is its own among the lines and events of the log."""
        self._newest.append((number, line, look))
        if len(self._newest) >= 2 * self._most:
            self.thin(len(self._newest) - self._most)

    def thin(self, count: int) -> None:
        """Parses so many fewer at the end: they are screened instead."""
        sound: list[tuple[int, str]] = []
        for _ in range(min(count, len(self._newest))):
            number, line, look = self._newest.popleft()
            is_large = self._opening.is_large(line, look)
            if not (is_large or look.non_finite):
                sound.append((number, line))
                continue
            self._screen.take_sound(sound)
            sound.clear()
            self._screen.take(number, line, look.non_finite, is_large)
        self._screen.take_sound(sound)

    def parsed(self) -> Iterator[Screened[str]]:
        """The lines to parse, in their order."""
        yield from self._screen.parsed()
        for number, line, _ in self._newest:
            yield Screened(number, 0, 0, False, line)
