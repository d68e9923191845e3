"""The newest values of a metric, and its whole series in bounded memory. Pure."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dualwatch.events import EvaluationLogged, IterationLogged, LinesScreened
from dualwatch.state.positions import SavedCheckpoint, line_of
from dualwatch.state.positions import SeriesLine as SeriesLine
from dualwatch.state.positions import done as done
from dualwatch.state.positions import place as place
from dualwatch.state.stretches import Stretches, with_line, with_unparsed

RECENT = 5
BUCKETS = 64

OPENING = 5
"""Values of a loss from which its level at the beginning is taken."""

GROWTH = 20.0
"""A loss is wild from this many times the highest level that a loss of its log began with ..."""

LEAST_WILD = 1.0
"""... and from this value: below it is none that diverged."""


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
        recent: Its newest values in training lines, oldest first; of losses, gradients and times.
        series: All finite values.
        bad: The lines in which it was not finite; of losses and gradients.
        opening: Sizes of its first values that were not wild; of losses.
        wild: The lines in which it was many times what the losses began with.
    """

    value: float
    first_line: int
    last_line: int
    wall: float
    since: int = 0
    recent: tuple[Point, ...] = ()
    series: Series = Series()
    bad: Stretches | None = None
    opening: tuple[float, ...] = ()
    wild: Stretches | None = None


_NONE = Series()
_LOSS = re.compile(r"(?i)(?:^|[/._ ])(?:loss|error$)")


def trained(
    before: Mapping[str, Metric],
    event: IterationLogged,
    number: int,
    saved: SavedCheckpoint | None = None,
) -> dict[str, Metric]:
    """The metrics after one more training line, the ``number``-th.

    Args:
        saved: The newest checkpoint that was saved before it.
    """
    line = line_of(event, number)
    after = dict(before)
    for name, value in event.metrics.items():
        known = before.get(name)
        first = (known.first_line or number) if known is not None else number
        since = number
        if known is not None and known.last_line == number - 1 > 0 and known.value == value:
            since = known.since
        if not is_kept(name):
            after[name] = Metric(value, first, number, event.wall, since)
            continue
        point = Point(line, value)
        recent = (*(known.recent if known is not None else ()), point)[-RECENT:]
        series = known.series if known is not None else _NONE
        held = known.last_line if known is not None else 0
        bad = known.bad if known is not None else None
        opening = known.opening if known is not None else ()
        wild = known.wild if known is not None else None
        if not math.isfinite(value):
            bad = with_line(bad, line, value, saved, held)
        else:
            series = series.with_point(point)
            if is_loss(name):
                if len(opening) > 1 and abs(value) >= LEAST_WILD and _is_wild(before, abs(value)):
                    wild = with_line(wild, line, abs(value), saved, held)
                elif value and len(opening) < OPENING:
                    opening = (*opening, abs(value))
        after[name] = Metric(
            value, first, number, event.wall, since, recent, series, bad, opening, wild
        )
    return after


def _is_wild(metrics: Mapping[str, Metric], size: float) -> bool:
    return size >= GROWTH * level_at_the_beginning(metrics)


def level_at_the_beginning(metrics: Mapping[str, Metric]) -> float:
    """The highest value that a loss of the log began with; infinite where none has begun."""
    levels = (max(m.opening) for m in metrics.values() if len(m.opening) > 1)
    return max(levels, default=math.inf)


def screened(before: Mapping[str, Metric], event: LinesScreened, number: int) -> dict[str, Metric]:
    """The metrics after training lines that were not parsed; ``number`` is that of the last.

    What was in the line before them was in them, too.
    """
    after, held = dict(before), number - event.lines
    for name, metric in before.items():
        if metric.last_line != held or not held:
            continue
        bad, wild = metric.bad, metric.wild
        if bad is not None and event.non_finite:
            if event.non_finite < event.lines:
                bad = bad._replace(lines=bad.lines + event.non_finite, times=bad.times + 1)
            elif bad.is_open(held):
                bad = with_unparsed(bad, event.lines, number)
        if wild is not None and wild.is_open(held):
            wild = with_unparsed(wild, event.lines, number)
        # Whether its value stayed the same in them is not known.
        after[name] = metric._replace(last_line=number, since=number, bad=bad, wild=wild)
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
def is_kept(name: str) -> bool:
    """Whether the series of a metric is kept: of losses, gradient norms and times."""
    return is_followed(name) or is_duration(name)


def is_duration(name: str) -> bool:
    """Whether a metric is the time of an iteration, or of waiting for its data."""
    return name.rsplit("/", 1)[-1] in ("time", "data_time")


@functools.lru_cache(maxsize=1024)
def is_followed(name: str) -> bool:
    """Whether a metric is judged by its values: losses and gradient norms."""
    return is_loss(name) or is_gradient(name)


@functools.lru_cache(maxsize=1024)
def is_loss(name: str) -> bool:
    """Whether it is a loss by its name: "loss_cls", "train/loss", "decode.loss_ce", "d_loss"."""
    return _LOSS.search(name) is not None


def is_gradient(name: str) -> bool:
    """Whether a metric is the norm of the gradient by its name."""
    return name.endswith(("grad_norm", "grad norm", "gnorm"))
