"""DW204 and DW205: metrics out of range, and losses that do not fall. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import median

from dualwatch import domains
from dualwatch.core.units import span
from dualwatch.domains.base import Domain, FallingMetric, Range
from dualwatch.events import Evidence, Finding
from dualwatch.rules.catalog import finding
from dualwatch.rules.metrics.course import extent, mean_of_newest, slope
from dualwatch.rules.metrics.metrics import named
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.metric_series import RECENT, Metric, Point
from dualwatch.state.snapshot import Snapshot

OFTEN = 3
"""Lines out of range from which it is not a spike."""

LEAST_LINES = 20
LEAST_SECONDS = 600.0


def out_of_range(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Metrics of which most of the newest values are out of range."""
    for name, allowed in ranges(s, limits).items():
        metric = named(s.metrics, name)
        if metric is None or s.last_train is None:
            continue
        recent = [p for p in metric.recent if s.train_lines - p.line.number < RECENT]
        beyond = [p for p in recent if p.line.iteration > allowed.after and _beyond(p, allowed)]
        # What is in range again is not reported.
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
        yield finding("DW204", evidence, confidence=round(certain, 2), attempt=s.attempt)


def ranges(s: Snapshot, limits: Thresholds) -> Mapping[str, Range]:
    """The ranges in force: those of the settings, else those of the training's domain."""
    return limits.ranges if limits.ranges is not None else domain(s, limits).ranges


def domain(s: Snapshot, limits: Thresholds) -> Domain:
    """The domain of a training, by its required and its logged metrics."""
    return domains.of_metrics((*limits.required, *s.metrics))


def not_converging(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Losses that must fall and have not, after long enough to have fallen."""
    for falling in domain(s, limits).falling:
        yield from _not_converging(s, falling)


def _not_converging(s: Snapshot, falling: FallingMetric) -> Iterator[Finding]:
    metric = named(s.metrics, falling.name)
    if metric is None or s.last_train is None or not _seen_long_enough(metric, s):
        return
    course = metric.series
    early = median(point.value for point in course.head)
    late = mean_of_newest(course.buckets)
    least = falling.least_fall * abs(early)
    if late < falling.low_enough or late < early - least:
        return
    if -slope(course.buckets) * extent(course.buckets) > least:
        return  # It does fall: the last lines only happened to be high.
    first, last = course.head[0], metric.recent[-1]
    headline = (
        f"{falling.name} does not fall: {early:.3g} in the first lines, {late:.3g} in the newest, "
        f"after {course.lines} training lines in {span(last.line.at - first.line.at)}"
    )
    evidence = [
        _evidence(s, headline, last),
        _evidence(s, f"{falling.name} {first.value:g} at {first.line.place}", first),
        _evidence(s, f"{falling.name} {last.value:g} at {last.line.place}", last),
    ]
    # The further it has risen, the less likely is a plateau that ends without help.
    confidence = 0.6 if late < 1.1 * abs(early) else 0.75
    yield finding("DW205", evidence, confidence=confidence, attempt=s.attempt)


def _seen_long_enough(metric: Metric, s: Snapshot) -> bool:
    """Whether the series began with the training and is long enough."""
    course = metric.series
    if course.lines < LEAST_LINES or not metric.recent:
        return False
    first, last = course.head[0].line, course.buckets[-1]
    between_lines = (last.iteration - first.iteration) / (course.lines - 1)
    if first.iteration > 1.5 * between_lines:
        return False  # Resumed from a checkpoint: it may have fallen before.
    total = s.last_train.total if s.last_train is not None else None
    half = bool(total) and last.iteration >= (total or 0) / 2
    return half or last.at - first.at >= LEAST_SECONDS


def _beyond(point: Point, allowed: Range) -> bool:
    return math.isfinite(point.value) and not allowed.holds(point.value)


def _bound(value: float, allowed: Range) -> tuple[float, str]:
    if allowed.high is not None and value > allowed.high:
        return allowed.high, "above"
    return allowed.low if allowed.low is not None else value, "below"


def _evidence(s: Snapshot, text: str, point: Point) -> Evidence:
    return Evidence(text=text, source=s.log, wall=point.line.wall)
