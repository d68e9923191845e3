"""DW204 and DW205: is a metric where it should be, and does it go where it should? Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations
from statistics import median

from dualwatch.events import Evidence, Finding
from dualwatch.rules.catalog import finding
from dualwatch.rules.metrics.metrics import named
from dualwatch.rules.thresholds import MACL_RANGES, Range, Thresholds
from dualwatch.state.metric_series import RECENT, Bucket, Metric, Point
from dualwatch.state.snapshot import Snapshot

MACL = "loss_macl"

OFTEN = 3
"""So many of the last lines beyond its range are no spike."""

LINES_OF_A_COURSE = 20
SECONDS_OF_A_COURSE = 600.0
LOW_ENOUGH = 0.3
"""A contrastive loss that is there already need not fall any further."""

LEAST_FALL = 0.05
"""Share of its first values by which a loss that is learnt has fallen after so long."""


def out_of_range(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Metrics of which most of the newest values are beyond their limits."""
    for name, allowed in ranges(s, limits).items():
        metric = named(s.metrics, name)
        if metric is None or s.last_train is None:
            continue
        recent = [p for p in metric.recent if s.train_lines - p.line.number < RECENT]
        beyond = [p for p in recent if p.line.iteration > allowed.after and _beyond(p, allowed)]
        # What is well again needs no word.
        if len(beyond) < OFTEN or beyond[-1] is not recent[-1]:
            continue
        bound, side = _bound(beyond[-1].value, allowed)
        headline = (
            f"{name} is {beyond[-1].value:g}, {side} {bound:g}, in {len(beyond)} of the last "
            f"{len(recent)} training lines"
        )
        quotes = [_evidence(s, f"{name} {p.value:g} at {p.line.place}", p) for p in beyond]
        evidence = [_evidence(s, headline, beyond[-1]), *quotes]
        certain = 0.7 + 0.05 * len(beyond)
        yield finding("DW204", evidence, confidence=round(certain, 2), attempt=_attempt(s))


def ranges(s: Snapshot, limits: Thresholds) -> Mapping[str, Range]:
    """The ranges in force: those of the settings, else those of a training with MACL."""
    if limits.ranges is not None:
        return limits.ranges
    return MACL_RANGES if uses_macl(s, limits) else {}


def uses_macl(s: Snapshot, limits: Thresholds) -> bool:
    """Whether this training is to be judged by what is usual with MACL."""
    if any(name.rsplit("/", 1)[-1] == MACL for name in limits.required):
        return True
    return named(s.metrics, MACL) is not None


def not_converging(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """``loss_macl`` stands where it began, after long enough to have fallen."""
    metric = named(s.metrics, MACL)
    if metric is None or s.last_train is None or not _seen_long_enough(metric, s):
        return
    course = metric.series
    early = median(point.value for point in course.head)
    late = _late(course.buckets)
    if late < LOW_ENOUGH or late < early - LEAST_FALL * abs(early):
        return
    fall = -_slope(course.buckets) * _span(course.buckets)
    if fall > LEAST_FALL * abs(early):
        return  # It does fall: the last lines only happened to be high.
    first, last = course.head[0], metric.recent[-1]
    minutes = (last.line.at - first.line.at) / 60
    headline = (
        f"{MACL} does not fall: {early:.3g} in the first lines, {late:.3g} in the newest, "
        f"after {course.lines} training lines in {minutes:.0f} minutes"
    )
    evidence = [
        _evidence(s, headline, last),
        _evidence(s, f"{MACL} {first.value:g} at {first.line.place}", first),
        _evidence(s, f"{MACL} {last.value:g} at {last.line.place}", last),
    ]
    # The further it has risen, the less is this a plateau that it will leave by itself.
    confidence = 0.6 if late < 1.1 * abs(early) else 0.75
    yield finding("DW205", evidence, confidence=confidence, attempt=_attempt(s))


def _seen_long_enough(metric: Metric, s: Snapshot) -> bool:
    """Whether its course began with the training and is long enough to tell."""
    course = metric.series
    if course.lines < LINES_OF_A_COURSE or not metric.recent:
        return False
    first, last = course.head[0].line, course.buckets[-1]
    between_lines = (last.iteration - first.iteration) / (course.lines - 1)
    if first.iteration > 1.5 * between_lines:
        return False  # Taken up from a checkpoint: what it had to learn it may have learnt.
    total = s.last_train.total if s.last_train is not None else None
    half = bool(total) and last.iteration >= (total or 0) / 2
    return half or last.at - first.at >= SECONDS_OF_A_COURSE


def _late(buckets: tuple[Bucket, ...]) -> float:
    """The mean of the newest quarter of all lines."""
    wanted = sum(bucket.count for bucket in buckets) / 4
    count, total = 0, 0.0
    for bucket in reversed(buckets):
        count, total = count + bucket.count, total + bucket.count * bucket.mean
        if count >= wanted:
            break
    return total / count


def _slope(buckets: tuple[Bucket, ...]) -> float:
    """Theil-Sen: the median of the slopes of all pairs, which single wild values do not move."""
    slopes = [
        (later.mean - earlier.mean) / (later.iteration - earlier.iteration)
        for earlier, later in combinations(buckets, 2)
        if later.iteration != earlier.iteration
    ]
    return median(slopes) if slopes else 0.0


def _span(buckets: tuple[Bucket, ...]) -> int:
    return buckets[-1].iteration - buckets[0].iteration


def _beyond(point: Point, allowed: Range) -> bool:
    return math.isfinite(point.value) and not allowed.holds(point.value)


def _bound(value: float, allowed: Range) -> tuple[float, str]:
    if allowed.high is not None and value > allowed.high:
        return allowed.high, "above"
    return allowed.low if allowed.low is not None else value, "below"


def _evidence(s: Snapshot, text: str, point: Point) -> Evidence:
    return Evidence(text=text, source=s.log, wall=point.line.wall)


def _attempt(s: Snapshot) -> int | None:
    return s.started.attempt if s.started is not None else None
