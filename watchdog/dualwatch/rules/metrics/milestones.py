"""DW204: a metric that missed its target at the end of an epoch. Pure.

The same targets are items of the checklist. Here they are judged as soon as the epoch's evaluation
is logged.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from dualwatch.events import EvaluationLogged, Evidence, Finding, Proof
from dualwatch.rules.catalog import finding
from dualwatch.rules.metrics.metrics import is_called, named
from dualwatch.rules.metrics.trends import domain
from dualwatch.rules.thresholds import MetricTarget, Thresholds
from dualwatch.state.snapshot import Snapshot


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Missed targets of the newest evaluation."""
    falling = {one.name for one in domain(s, limits).falling}
    for milestone, value, last in _reached(s, limits):
        if not milestone.fails(value):
            continue
        text = (
            f"{milestone.metric} is {value:.4g} at the end of epoch {milestone.epoch}, target "
            f"{milestone.expected}"
        )
        evidence = [Evidence(text=text, source=s.log, wall=last.wall)]
        remedy = milestone.advice or None
        yield finding(
            "DW204",
            evidence,
            confidence=0.9,
            remedy=remedy,
            attempt=s.attempt,
            subject=f"{milestone.metric} at epoch {milestone.epoch}",
            proof=Proof.MISSED_TARGET,
            # A loss that never fell has missed its target for that reason.
            follows=("DW205",) if milestone.metric in falling else (),
        )


def _reached(
    s: Snapshot, limits: Thresholds
) -> Iterator[tuple[MetricTarget, float, EvaluationLogged]]:
    """The targets of the epoch that was evaluated last, with the values reached."""
    last = s.last_evaluation
    if last is None or last.epoch is None or not last.metrics:
        return
    for milestone in limits.milestones:
        if milestone.epoch != last.epoch:
            continue
        logged = last.metrics.items()
        value = next((v for key, v in logged if is_called(key, milestone.metric)), None)
        if value is None:
            value = _trained(s, milestone.metric, last)
        if value is not None:
            yield milestone, value, last


def _trained(s: Snapshot, name: str, last: EvaluationLogged) -> float | None:
    """The level of a metric in the training lines, before the first line of the next epoch."""
    metric, line = named(s.metrics, name), s.last_train
    if metric is None or not metric.recent or line is None or line.epoch != last.epoch:
        return None
    return median(point.value for point in metric.recent)
