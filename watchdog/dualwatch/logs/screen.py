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

TOGETHER = 100
"""Lines that are looked at together, as long as nothing is odd in any of them."""

LEAST_DIGITS = 2
"""Digits before the point that a loss may have whatever the opening was."""


_NON_FINITE = re.compile(r"([^\s:,=]+)(?: ?[:=] *| )[-+]?(?:nan|inf)(?![a-z])", re.IGNORECASE)
_WITH_COLON = re.compile(r": -?(?:nan|inf)")
_MAY_BE_NON_FINITE = (" nan", " inf", " -inf", " -nan", "=nan", "=inf", "=-inf", ":nan", ":inf")
_MAY_BE_LARGE = ("e+", "E+")
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


class LineLook:
    """What is cheaply seen of a training line without parsing it."""

    def __init__(self) -> None:
        self._loss_digits = self._digits = LEAST_DIGITS
        self._large = _large_loss(self._loss_digits)

    def learn(self, line: str) -> None:
        """A line of the opening shows how large the values of this training are."""
        parts = _WHOLE_PART.findall(line)
        self._digits = max(self._digits, *(len(part) + 1 for part in parts), 0)
        losses = _LOSS_VALUE.findall(line)
        if losses:
            digits = max(self._loss_digits, len(losses[-1]) + 1)
            if digits != self._loss_digits:
                self._loss_digits, self._large = digits, _large_loss(digits)

    def all_sound(self, lines: Sequence[str]) -> bool:
        """Whether every value is finite and no loss is large: searched in all lines at once.

        False may be wrong; then each line is to be looked at.
        """
        text = "\n".join(lines)
        if text.count(_LOSS) >= len(lines):
            is_odd = _WITH_COLON.search(text) is not None
        else:
            is_odd = any(odd in text for odd in _MAY_BE_NON_FINITE)
            is_odd = is_odd or len(_LOSS_VALUE.findall(text)) < len(lines)
        # Each search begins with a literal: together they cost less than one for any of them.
        return not (is_odd or any(odd in text for odd in _MAY_BE_LARGE) or self._large.search(text))

    @staticmethod
    def non_finite(line: str) -> tuple[str, ...]:
        """Names of the metrics that are not finite in a line."""
        if any(odd in line for odd in _MAY_BE_NON_FINITE):
            return tuple(_NON_FINITE.findall(line))
        return ()

    def is_large(self, line: str) -> bool:
        """Whether a loss has more digits than those of the opening."""
        start = line.rfind(_LOSS)
        if start >= 0 and "e+" not in line and "E+" not in line:
            start += len(_LOSS)
            return line.find(".", start) - start > self._loss_digits
        large = any(len(part) > self._digits for part in _WHOLE_PART.findall(line))
        return large or any(int(p) >= self._digits for p in _LARGE_POWER.findall(line))


def _large_loss(digits: int) -> re.Pattern[str]:
    """A loss with more digits before the point."""
    return re.compile(rf"oss'?(?: {{0,2}}[:=] {{0,2}}| )\d{{{digits + 1}}}")


class PutOffLines:
    """Training lines after those of the opening, which are parsed when the log is read, if at all.

    Args:
        newest: How many at the end are all parsed, at least; fewer than twice as many.
    """

    def __init__(self, newest: int) -> None:
        self._most = newest
        self._newest: deque[tuple[int, str]] = deque()
        self._screen: Screen[str] = Screen()
        self._look = LineLook()
        self.learn = self._look.learn

    def __len__(self) -> int:
        return len(self._newest)

    def take(self, number: int, line: str) -> None:
        """The next line; ``number`` is its own among the lines and events of the log."""
        self._newest.append((number, line))
        if len(self._newest) >= 2 * self._most:
            self.thin(len(self._newest) - self._most)

    def thin(self, count: int) -> None:
        """Parses so many fewer at the end: they are screened instead."""
        left = min(count, len(self._newest))
        while left > 0:
            items = [self._newest.popleft() for _ in range(min(left, TOGETHER))]
            left -= len(items)
            if self._look.all_sound([line for _, line in items]):
                self._screen.take_sound(items)
                continue
            for number, line in items:
                self._screen.take(
                    number, line, self._look.non_finite(line), self._look.is_large(line)
                )

    def parsed(self) -> Iterator[Screened[str]]:
        """The lines to parse, in their order."""
        yield from self._screen.parsed()
        for number, line in self._newest:
            yield Screened(number, 0, 0, False, line)
