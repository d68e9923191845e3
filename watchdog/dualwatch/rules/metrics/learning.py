"""DW206: a loss that is constant, or has not fallen over a stretch in which it should. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from dualwatch.events import Evidence, Finding, IterationLogged, Severity
from dualwatch.rules.catalog import finding
from dualwatch.rules.metrics import useless
from dualwatch.rules.metrics.course import course_of_total
from dualwatch.rules.metrics.finite_inside import total
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.metric_series import Metric, is_gradient
from dualwatch.state.snapshot import Snapshot

CONSTANT = 20
"""Consecutive log lines with the same loss from which it is constant."""

LINES = 50
ITERATIONS = 1000
EPOCHS = 2
"""What a training has done when its loss should have fallen."""

RATELESS = 5
"""Log lines from the very first on in which a learning rate of 0 is none of a warm-up ..."""

MANY = 1000
"""... and the newest ones in which it is not that of the last steps of a schedule."""

MOVING = 3
"""Different values among the newest of a gradient that moves."""

SMALL = 0.05
"""A loss below this need not fall."""

RISEN = 0.05
"""A share or percent of a validation's metric above which something is learned."""

_OPPOSED = re.compile(
    r"(?i)(?:^|_)(?:g|d|gen|disc|adv|gan|fake|real|critic|policy|value|entropy)(?:_|$)"
)


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """At most one finding, about the total loss."""
    name = total(s.last_train.metrics) if s.last_train is not None else None
    metric = s.metrics.get(name) if name is not None else None
    if (
        name is None
        or metric is None
        or (metric.bad is not None and metric.bad.is_open(metric.last_line))
    ):
        return
    constant = _constant(s, name, metric) or _without_a_rate(s)
    if constant is not None:
        yield constant
    elif _should_have_fallen(s, metric) and not _learns(s):
        yield from _not_falling(s, name)


def _constant(s: Snapshot, name: str, metric: Metric) -> Finding | None:
    same = metric.last_line - metric.since + 1
    if same < CONSTANT or not math.isfinite(metric.value):
        return None
    why = _why_constant(s, metric)
    if why is None:
        return None
    text = f"{name} is {metric.value:g} in each of the last {same} log lines"
    evidence = [Evidence(text=text, source=s.log, wall=metric.wall)]
    if why:
        evidence.append(Evidence(text=why, source=s.log, wall=metric.wall))
    return finding("DW206", evidence, confidence=0.95, severity=Severity.ERROR, attempt=s.attempt)


def _why_constant(s: Snapshot, metric: Metric) -> str | None:
    """What shows that a constant loss is none that is printed by rote; None where nothing does."""
    assert s.last_train is not None
    line = s.last_train.metrics
    rates = [s.metrics[key] for key in line if key.rsplit("/", 1)[-1] in ("lr", "base_lr")]
    if rates and all(one.value == 0.0 and one.since <= metric.since for one in rates):
        return "the learning rate is 0 in all of them"
    gradient = next((s.metrics[key] for key in line if is_gradient(key)), None)
    if gradient is not None and gradient.value == 0.0 and gradient.since <= metric.since:
        return "the gradient norm is 0: no parameter of the loss requires a gradient"
    if metric.value == 0.0 and metric.since <= metric.first_line:
        return "it has been 0 from the first line on: nothing contributes to it"
    classes = round(math.exp(metric.value)) if 0 < metric.value < 10 else 0
    if classes > 1 and abs(metric.value - math.log(classes)) < 1e-3:
        return (
            f"ln {classes} = {math.log(classes):.4f}: what guessing among {classes} classes costs"
        )
    # A framework may print values by rote: what comes from the model must move beside it.
    if gradient is None or metric.last_line - metric.since + 1 < LINES:
        return None
    moves = {point.value for point in gradient.recent if math.isfinite(point.value)}
    return "" if len(moves) >= MOVING else None


def _without_a_rate(s: Snapshot) -> Finding | None:
    """A learning rate of 0 in all lines, and a loss that does not fall: nothing is trained."""
    line, found = s.last_train, course_of_total(s)
    if line is None or found is None or found.falls:
        return None
    rates = [s.metrics[key] for key in line.metrics if key.rsplit("/", 1)[-1] in _rates(line)]
    if not rates or any(rate.value for rate in rates):
        return None
    lines = min(rate.last_line - rate.since + 1 for rate in rates)
    from_the_first = all(rate.since <= rate.first_line for rate in rates)
    if lines < (RATELESS if from_the_first else MANY):
        return None
    text = f"the learning rate is 0 in each of the last {lines} log lines"
    evidence = [
        Evidence(text=text, source=s.log, wall=line.wall),
        Evidence(text=found.words, source=s.log, wall=line.wall),
    ]
    return finding("DW206", evidence, confidence=0.9, severity=Severity.ERROR, attempt=s.attempt)


def _rates(line: IterationLogged) -> tuple[str, ...]:
    """The names of rates that are printed exactly; a script may round its own to four places."""
    return ("learning_rate",) if line.bar else ("lr", "base_lr")


def _should_have_fallen(s: Snapshot, metric: Metric) -> bool:
    """Whether the log begins with the training and is long enough."""
    series, line = metric.series, s.last_train
    assert line is not None
    if series.lines < LINES or not series.head:
        return False
    first, last = series.head[0].line, series.buckets[-1]
    between = (last.iteration - first.iteration) / max(1, series.lines - 1)
    if first.iteration > 1.5 * max(1.0, between):
        return False  # Resumed, or a log that was cut.
    if s.config is not None and s.config.load_from:
        return False  # It may have fallen before.
    if any(_OPPOSED.search(key.rsplit("/", 1)[-1]) for key in line.metrics):
        return False  # Losses that work against each other, or follow a reward.
    return last.iteration >= ITERATIONS or (line.epoch or 1) > EPOCHS


def _learns(s: Snapshot) -> bool:
    """Whether the validations show that something is learned."""
    scores = useless.headline(s).values()
    return any(score.high > RISEN or score.high > 1.2 * score.first for score in scores)


def _not_falling(s: Snapshot, name: str) -> Iterator[Finding]:
    found = course_of_total(s)
    metric = s.metrics[name]
    if found is None or found.falls or abs(found.late) < SMALL or found.early < 0:
        return
    moves = len({bucket.mean for bucket in metric.series.buckets}) > 1
    if not moves or metric.wild is not None:
        return
    first, last = metric.series.head[0].line, metric.recent[-1].line
    text = f"{found.words}, from {first.place} to {last.place}"
    evidence = [Evidence(text=text, source=s.log, wall=last.wall)]
    yield finding("DW206", evidence, confidence=0.6, attempt=s.attempt)
