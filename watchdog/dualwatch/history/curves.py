"""The curve of a metric in stretches that belong together, thinned so that spikes stay."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from itertools import compress, pairwise

from dualwatch.history.metrics_table import MetricsTable

BUCKETS = 240
"""Stretches of a curve of which the least and the greatest value are drawn: more than a picture has
room for."""

MOST_KNOWN = 8


@dataclass(slots=True)
class Stretch:
    """Values that follow each other in one attempt."""

    attempt: int
    xs: array[float]
    ys: array[float]


@dataclass(slots=True)
class MetricCurve:
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


class MetricCurves:
    """Makes the curves of a run. Most metrics have the same rows, so what depends on the rows
    alone is computed once.

    Args:
        places: Of each row on the axis, see ``MetricsTable.places``.
    """

    def __init__(self, table: MetricsTable, places: array[float]) -> None:
        self._table = table
        self._places = places
        self._known: list[tuple[array[int], bool, _Rows]] = []

    def curve(self, name: str, *, training: bool, buckets: int = BUCKETS) -> MetricCurve:
        """The curve of a metric over training lines, or over all other rows."""
        made = MetricCurve(name)
        column = self._table.columns.get(name)
        if column is None:
            return made
        where = self._rows(column.rows, training)
        values = column.values
        if where.chosen is not None:
            values = array("d", compress(values, where.chosen))
        made.count = len(values)
        if values and not math.isfinite(sum(values)):
            finite = bytearray(map(math.isfinite, values))
            broken = bytearray(not good for good in finite)
            made.broken = list(compress(where.xs, broken))
            where = self._rows(array("q", compress(where.rows, finite)), training)
            values = array("d", compress(values, finite))
        if values:
            _fill(made, where, values, buckets)
        return made

    def _rows(self, rows: array[int], training: bool) -> _Rows:
        for known, which, made in self._known:
            if which == training and known == rows:
                return made
        made = _rows(self._table, self._places, rows, training)
        self._known = [(rows, training, made), *self._known][:MOST_KNOWN]
        return made


@dataclass(slots=True)
class _Rows:
    """The rows of a metric that are looked at.

    Attributes:
        chosen: Which of them they are, None for all.
        cuts: Where another attempt begins or the place goes back, with both ends.
        attempts: Of each stretch between two cuts.
    """

    rows: array[int]
    chosen: bytearray | None
    xs: array[float]
    cuts: list[int]
    attempts: list[int]


def _rows(table: MetricsTable, places: array[float], rows: array[int], training: bool) -> _Rows:
    chosen = None
    if not training or table.trained < len(table):
        chosen = bytearray(table.training[row] == training for row in rows)
        rows = array("q", compress(rows, chosen))
    xs = array("d", map(places.__getitem__, rows))
    attempts = array("q", map(table.attempts.__getitem__, rows))
    cuts = [0] if rows else []
    cuts += [k for k in range(1, len(xs)) if attempts[k] != attempts[k - 1] or xs[k] < xs[k - 1]]
    return _Rows(rows, chosen, xs, [*cuts, len(xs)], [attempts[k] for k in cuts])


def _fill(made: MetricCurve, where: _Rows, values: array[float], buckets: int) -> None:
    made.first, made.last = values[0], values[-1]
    low, high = min(values), max(values)
    made.lowest = (low, where.xs[values.index(low)])
    made.highest = (high, where.xs[values.index(high)])
    cuts = where.cuts[: buckets + 1]
    share = max(8, buckets // (len(cuts) - 1))
    made.stretches = [
        thinned(Stretch(attempt, where.xs[begin:end], values[begin:end]), share)
        for attempt, (begin, end) in zip(where.attempts, pairwise(cuts), strict=False)
    ]


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
