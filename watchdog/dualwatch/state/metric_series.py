"""The newest values of a metric, and its whole series in bounded memory. Pure."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dualwatch.events import EvaluationLogged, IterationLogged

RECENT = 5
BUCKETS = 64


class SeriesLine(NamedTuple):
    """The position of a training line.

    Attributes:
        number: Of the training lines, from 1.
        iteration: Counted from the first one of the training, by the log.
        place: For people: "epoch 1, iteration 30/200".
    """

    number: int
    iteration: int
    place: str
    at: float
    wall: float


class Point(NamedTuple):
    """One value in one training line."""

    line: SeriesLine
    value: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """The mean of some neighbouring lines; ``iteration`` and ``at`` are those of the last."""

    count: int
    mean: float
    iteration: int
    at: float

    def with_value(self, point: Point) -> Bucket:
        """This bucket and one more value."""
        count = self.count + 1
        mean = self.mean + (point.value - self.mean) / count
        return Bucket(count, mean, point.line.iteration, point.line.at)

    def with_bucket(self, other: Bucket) -> Bucket:
        """This bucket and the one after it."""
        count = self.count + other.count
        mean = self.mean + (other.mean - self.mean) * other.count / count
        return Bucket(count, mean, other.iteration, other.at)


class Series(NamedTuple):
    """A metric from its first line to its last, however many there were.

    Attributes:
        head: The first values.
        filled: Means of ``width`` lines each. When there are too many, neighbours are merged, so a
            series of any length keeps its shape.
        filling: The mean of the lines after them.
    """

    head: tuple[Point, ...] = ()
    filled: tuple[Bucket, ...] = ()
    filling: Bucket | None = None
    width: int = 1

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """All values as means, the newest last."""
        return self.filled if self.filling is None else (*self.filled, self.filling)

    @property
    def lines(self) -> int:
        """How many lines it was made of."""
        return sum(bucket.count for bucket in self.buckets)

    def with_point(self, point: Point) -> Series:
        """This series and one more value, which is finite."""
        head = (*self.head, point) if len(self.head) < RECENT else self.head
        last = self.filling
        if last is not None and last.count < self.width:
            return Series(head, self.filled, last.with_value(point), self.width)
        fresh = Bucket(1, point.value, point.line.iteration, point.line.at)
        full = self.buckets
        if len(full) < BUCKETS:
            return Series(head, full, fresh, self.width)
        pairs = zip(full[::2], full[1::2], strict=True)
        halved = tuple(one.with_bucket(other) for one, other in pairs)
        return Series(head, halved, fresh, 2 * self.width)


class Metric(NamedTuple):
    """A metric of the training lines or of an evaluation.

    Attributes:
        first_line, last_line: Numbers of the training lines that held it, from 1; 0 for what was
            only ever in the lines of evaluations.
        since: Number of the training line from which on its value has been the same.
        recent: Its newest values in training lines, oldest first; of losses and gradients only.
        series: All finite values.
    """

    value: float
    first_line: int
    last_line: int
    wall: float
    since: int = 0
    recent: tuple[Point, ...] = ()
    series: Series = Series()


_NONE = Series()


def trained(before: Mapping[str, Metric], event: IterationLogged, number: int) -> dict[str, Metric]:
    """The metrics after one more training line, the ``number``-th."""
    line = SeriesLine(number, done(event), place(event), event.at, event.wall)
    after = dict(before)
    for name, value in event.metrics.items():
        known = before.get(name)
        first = (known.first_line or number) if known is not None else number
        since = number
        if known is not None and known.last_line == number - 1 > 0 and known.value == value:
            since = known.since
        recent: tuple[Point, ...] = ()
        series = _NONE
        if is_followed(name):
            point = Point(line, value)
            recent = (*(known.recent if known is not None else ()), point)[-RECENT:]
            series = known.series if known is not None else series
            if math.isfinite(value):
                series = series.with_point(point)
        after[name] = Metric(value, first, number, event.wall, since, recent, series)
    return after


def evaluated(before: Mapping[str, Metric], event: EvaluationLogged) -> dict[str, Metric]:
    """The metrics after an evaluation, whose losses do not count as trained."""
    after = dict(before)
    for name, value in event.metrics.items():
        known = before.get(name)
        fresh = Metric(value, 0, 0, event.wall)
        after[name] = fresh if known is None else known._replace(value=value, wall=event.wall)
    return after


@functools.lru_cache(maxsize=1024)
def is_followed(name: str) -> bool:
    """Whether the series of a metric is kept: losses and gradient norms."""
    return is_loss(name) or is_gradient(name)


def is_loss(name: str) -> bool:
    """Whether a metric is a loss by its name, with or without the folder of a tag."""
    return name.rsplit("/", 1)[-1].startswith("loss")


def is_gradient(name: str) -> bool:
    """Whether a metric is the norm of the gradient by its name."""
    return name.endswith("grad_norm")


def done(event: IterationLogged) -> int:
    """Iterations completed since the first one, by a log line."""
    if event.epoch is not None and event.total:
        return event.iteration + (event.epoch - 1) * event.total
    return event.iteration


def place(event: IterationLogged) -> str:
    """The position of a training line, for people."""
    total = f"/{event.total}" if event.total else ""
    epoch = f"epoch {event.epoch}, " if event.epoch is not None else ""
    return f"{epoch}iteration {event.iteration}{total}"
