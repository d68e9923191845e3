"""Checks of metrics during warm-up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from dualwatch.checks.item import (
    CheckSubject,
    Item,
    Reading,
    RunLife,
    failed,
    not_yet,
    passed,
    pending,
    skipped,
    warned,
)
from dualwatch.checks.probes.wording import beyond, range_words
from dualwatch.core import units
from dualwatch.events import Finding, Proof, Severity
from dualwatch.history.training_record import Sample, TrainingRecord
from dualwatch.rules.metrics.metrics import named
from dualwatch.state.metric_series import is_followed, is_loss

LEVEL = 10
"""Values whose median is a metric's level."""

BEGINNING = 3
LEAST = 5
"""Values without which no trend is judged."""


def falls(subject: CheckSubject, item: Item) -> Reading:
    """A loss reaches its target by the end of the warm-up."""
    limits, name = item.limits, item.limits["metric"]
    expected = f"{name} falls to {limits['passes']:g} or less within {units.span(limits['within'])}"
    samples, why = _window(subject, name, limits["within"], expected)
    if why is not None:
        return why
    first = median(s.value for s in samples[:BEGINNING])
    level = median(s.value for s in samples[-LEVEL:])
    observed = f"{name} {first:.3g} at first, {level:.3g} at iteration {samples[-1].iteration}"
    # It has arrived: no need to wait for the end of the warm-up.
    if level <= limits["passes"]:
        return passed(observed, expected)
    if not _is_over(subject, limits["within"]):
        return _so_far(subject, observed, expected)
    flat = subject.found("DW205")
    if flat is not None:
        return failed(flat.headline, expected, code="DW205")
    if level > limits.get("fails", limits["passes"]):
        return failed(observed, expected)
    return warned(observed, expected)


def steady(subject: CheckSubject, item: Item) -> Reading:
    """A metric stays in its range during warm-up."""
    limits, name = item.limits, item.limits["metric"]
    expected = f"{name} {range_words(limits)} for {units.span(limits['within'])}"
    samples, why = _window(subject, name, limits["within"], expected)
    if why is not None:
        return why
    values = [s.value for s in samples if s.iteration > limits.get("after", 0)] or [
        samples[-1].value
    ]
    finite = sorted(value for value in values if math.isfinite(value))
    if not finite:
        return failed(f"{name} is not a number", expected, code="DW203")
    outside = [v for v in values if beyond(v, limits.get("low"), limits["high"]) or math.isnan(v)]
    share = 1 - len(outside) / len(values)
    wanted = limits.get("share", 0.8)
    observed = (
        f"{name} {median(finite):.3g} ({finite[0]:.3g} to {finite[-1]:.3g}), "
        f"{100 * share:.0f} % of {len(values)} lines in range"
    )
    worst = limits.get("fail_above")
    if worst is not None and sum(v > worst for v in values) > 0.2 * len(values):
        return failed(f"{observed}; above {worst:g} too often", expected)
    if not _is_over(subject, limits["within"]):
        return _so_far(subject, observed, expected)
    return passed(observed, expected) if share >= wanted else warned(observed, expected)


def finite(subject: CheckSubject, item: Item) -> Reading:
    """No loss is NaN or infinite, and none has diverged."""
    limits, course = item.limits, subject.course
    huge = limits.get("huge")
    expected = "no NaN, no loss that diverges"
    if huge is not None:
        expected += f", none above {huge:g}"
    if not course.lines:
        return not_yet(subject, "the first training line", expected)
    for found in (subject.found("DW203"), _diverged(subject)):
        if found is not None:
            result = failed if found.severity >= Severity.ERROR else warned
            return result(found.headline, expected, code=found.code, remedy=found.remedy)
    beyond_limit = _above(course, huge) if huge is not None else ""
    if beyond_limit:
        return failed(beyond_limit, expected, code="DW204")
    before = next((f for f in subject.overcome if f.code == "DW203"), None)
    if before is not None:
        return warned(f"in an earlier attempt: {before.headline}", expected, code="DW203")
    if not any(is_followed(name) and one.first_line for name, one in subject.s.metrics.items()):
        return not_yet(subject, "the first training line with a loss", expected)
    # Of the newest attempt, as the findings are.
    lines = units.counted(subject.s.train_lines, "line")
    if course.has_gaps:
        # Of a log that was too long for the time, only the beginning and the end were read.
        return passed(f"all finite in the {lines} that were read", expected)
    is_over = not course.timed or _is_over(subject, limits["within"])
    if subject.life is RunLife.ALIVE and not is_over:
        return pending(f"{lines} so far, all finite", expected)
    return passed(f"{lines}, all finite", expected)


def _diverged(subject: CheckSubject) -> Finding | None:
    return next((f for f in subject.findings if f.proof is Proof.DIVERGED), None)


def _above(course: TrainingRecord, huge: float) -> str:
    """The newest value of a loss above the limit of the profile, in the first hour."""
    for name, opening in course.opening.items():
        last = next((s for s in reversed(opening.samples) if s.value > huge), None)
        if last is not None and is_loss(name):
            return f"{name} is {last.value:g} at {last.place}"
    return ""


def _window(
    subject: CheckSubject, name: str, within: float, expected: str
) -> tuple[Sequence[Sample], Reading | None]:
    """The values of the warm-up, or why they cannot be judged."""
    course = subject.course
    if not course.lines:
        return (), not_yet(subject, "the first training line", expected)
    if course.begins_late:
        return (), skipped("the record begins in the middle of a training", expected)
    samples = course.named(name)
    if not samples:
        metric = named(subject.s.metrics, name)
        why = f"no {name} in the first lines" if metric is not None else f"no {name} was logged"
        return (), skipped(why, expected)
    begun = course.begun_at if course.begun_at is not None else samples[0].at
    kept = [s for s in samples if s.at <= begun + within] if course.timed else samples
    if len(kept) < LEAST:
        return (), not_yet(subject, "enough training lines", expected)
    return kept, None


def _so_far(subject: CheckSubject, observed: str, expected: str) -> Reading:
    """Pending; skipped where the training ended during warm-up."""
    if subject.life is RunLife.OVER:
        return skipped(f"the training ended during warm-up, with {observed}", expected)
    return pending(f"so far {observed}", expected)


def _is_over(subject: CheckSubject, within: float) -> bool:
    """Whether the warm-up is over: by the clock, or because an epoch or the training ended."""
    course, elapsed = subject.course, subject.elapsed
    if subject.finished or any(epoch.evaluation is not None for epoch in course.epochs.values()):
        return True
    return course.newest_epoch > 1 or (elapsed is not None and elapsed >= within)
