"""The course of a metric: stretches of it that belong together, thinned so that spikes stay."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from itertools import compress, pairwise

from dualwatch.retrospect.table import Table

BUCKETS = 240
"""Stretches of a curve of which the least and the greatest value are drawn: more than a picture has
room for."""


@dataclass(slots=True)
class Stretch:
    """Values that follow each other in one attempt."""

    attempt: int
    xs: array[float]
    ys: array[float]


@dataclass(slots=True)
class Course:
    """A metric from its first line to its last.

    Attributes:
        stretches: Numbers only; a new one begins with an attempt and where the place goes back.
        broken: Places of values that are no number: NaN and infinities.
        count: Values, these included.
        first, last: The first and the last value that is a number, None where there is none.
        lowest, highest: With their places.
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
    table: Table, name: str, places: array[float], *, training: bool, buckets: int = BUCKETS
) -> Course:
    """The course of a metric over training lines, or over all other rows.

    Args:
        places: Where each row of the table stands, see ``Table.places``.
    """
    made = Course(name)
    rows, values = _chosen(table, name, training)
    made.count = len(values)
    if values and not math.isfinite(sum(values)):
        finite = bytearray(map(math.isfinite, values))
        made.broken = [places[row] for row, good in zip(rows, finite, strict=True) if not good]
        rows = array("q", compress(rows, finite))
        values = array("d", compress(values, finite))
    if not values:
        return made
    xs = array("d", map(places.__getitem__, rows))
    made.first, made.last = values[0], values[-1]
    low, high = min(values), max(values)
    made.lowest = (low, xs[values.index(low)])
    made.highest = (high, xs[values.index(high)])
    cuts = _cuts(array("q", map(table.attempts.__getitem__, rows)), xs)[: buckets + 1]
    share = max(8, buckets // (len(cuts) - 1))
    made.stretches = [
        thinned(Stretch(table.attempts[rows[begin]], xs[begin:end], values[begin:end]), share)
        for begin, end in pairwise(cuts)
    ]
    return made


def thinned(stretch: Stretch, buckets: int = BUCKETS) -> Stretch:
    """At most two points for each of so many parts of a curve: the least and the greatest.

    The first and the last point stay.
    """
    xs, ys = stretch.xs, stretch.ys
    count = len(xs)
    if count <= 2 * buckets:
        return stretch
    kept = {0, count - 1}
    for bucket in range(buckets):
        begin, end = bucket * count // buckets, (bucket + 1) * count // buckets
        part = ys[begin:end]
        kept |= {begin + part.index(min(part)), begin + part.index(max(part))}
    order = sorted(kept)
    return Stretch(
        stretch.attempt, array("d", [xs[k] for k in order]), array("d", [ys[k] for k in order])
    )


def _chosen(table: Table, name: str, training: bool) -> tuple[array[int], array[float]]:
    """Rows and values of a metric in training lines, or in all other rows."""
    column = table.columns.get(name)
    if column is None:
        return array("q"), array("d")
    if training and table.trained == len(table):
        return column.rows, column.values
    chosen = bytearray(table.training[row] == training for row in column.rows)
    return array("q", compress(column.rows, chosen)), array("d", compress(column.values, chosen))


def _cuts(attempts: array[int], xs: array[float]) -> list[int]:
    """Where another attempt begins, or where the place goes back; with both ends."""
    cuts = [k for k in range(1, len(xs)) if attempts[k] != attempts[k - 1] or xs[k] < xs[k - 1]]
    return [0, *cuts, len(xs)]
