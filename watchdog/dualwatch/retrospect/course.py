"""The course of a metric: stretches of it that belong together, thinned so that spikes stay."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dualwatch.retrospect.table import Table

BUCKETS = 240
"""Stretches of a curve of which the least and the greatest value are drawn: more than a picture has
room for."""


@dataclass(slots=True)
class Stretch:
    """Values that follow each other in one attempt."""

    attempt: int
    xs: Sequence[float]
    ys: Sequence[float]


@dataclass(slots=True)
class Course:
    """A metric from its first line to its last.

    Attributes:
        stretches: Numbers only; a new one begins with an attempt and where the place goes back.
        broken: Places of values that are no number: NaN and infinities.
        count: Values, these included.
        first, last: The first and the last value that is a number, None where there is none.
        lowest, highest: With their places.
        beyond: Values beyond a limit, where one was given.
    """

    name: str
    stretches: list[Stretch] = field(default_factory=list)
    broken: list[float] = field(default_factory=list)
    count: int = 0
    first: float | None = None
    last: float | None = None
    lowest: tuple[float, float] = (math.inf, 0.0)
    highest: tuple[float, float] = (-math.inf, 0.0)

    @property
    def is_empty(self) -> bool:
        """Whether it holds no number."""
        return self.first is None


def course(
    table: Table,
    name: str,
    places: Sequence[float],
    chosen: Callable[[int], bool],
    buckets: int = BUCKETS,
) -> Course:
    """The course of a metric over the rows that are chosen."""
    made = Course(name)
    column = table.columns.get(name)
    if column is None:
        return made
    xs, ys = array("d"), array("d")
    attempt, before = None, -math.inf
    for row, value in zip(column.rows, column.values, strict=True):
        if not chosen(row):
            continue
        made.count += 1
        place = places[row]
        if not math.isfinite(value):
            made.broken.append(place)
            continue
        if xs and (table.attempts[row] != attempt or place < before):
            made.stretches.append(Stretch(attempt or 0, xs, ys))
            xs, ys = array("d"), array("d")
        attempt, before = table.attempts[row], place
        xs.append(place)
        ys.append(value)
        _note(made, place, value)
    if xs:
        made.stretches.append(Stretch(attempt or 0, xs, ys))
    share = max(8, buckets // max(1, len(made.stretches)))
    made.stretches = [thinned(one, share) for one in made.stretches[:buckets]]
    return made


def thinned(stretch: Stretch, buckets: int = BUCKETS) -> Stretch:
    """At most two points for each of so many stretches of the axis: the least and the greatest.

    The first and the last point stay.
    """
    xs, ys = stretch.xs, stretch.ys
    if len(xs) <= 2 * buckets:
        return stretch
    begin, width = xs[0], (xs[-1] - xs[0]) or 1.0
    kept: set[int] = {0, len(xs) - 1}
    low = high = 0
    bucket = 0
    for k, x in enumerate(xs):
        now = min(buckets - 1, int((x - begin) / width * buckets))
        if now != bucket:
            kept |= {low, high}
            low = high = k
            bucket = now
        low = k if ys[k] < ys[low] else low
        high = k if ys[k] > ys[high] else high
    kept |= {low, high}
    order = sorted(kept)
    return Stretch(
        stretch.attempt, array("d", [xs[k] for k in order]), array("d", [ys[k] for k in order])
    )


def _note(made: Course, place: float, value: float) -> None:
    if made.first is None:
        made.first = value
    made.last = value
    if value < made.lowest[0]:
        made.lowest = (value, place)
    if value > made.highest[0]:
        made.highest = (value, place)
