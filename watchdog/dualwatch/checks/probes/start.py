"""Checks of the start of a training: its first lines, their metrics, TensorBoard."""

from __future__ import annotations

import math
from dataclasses import replace

from dualwatch.checks.item import (
    CheckSubject,
    Item,
    Reading,
    RunLife,
    failed,
    not_begun,
    not_yet,
    passed,
    pending,
    skipped,
    warned,
)
from dualwatch.checks.probes.wording import beyond, range_words
from dualwatch.core import units
from dualwatch.rules.metrics.metrics import is_called, named
from dualwatch.state.metric_series import done, place

_MIDST = "the record begins in the middle of a training"
SHOWN = 8


def line_within(subject: CheckSubject, item: Item) -> Reading:
    """The first training line comes soon."""
    course, limits = subject.course, item.limits
    expected = f"within {units.span(limits['passes'])}"
    if course.first is None:
        return _no_line(subject, limits["passes"], limits["fails"], expected)
    if course.begins_late and subject.s.started is None:
        return skipped(_MIDST, expected)
    if course.begun_at is None or not course.timed:
        return skipped("the time of its start is not known", expected)
    took = max(0.0, course.first.at - course.begun_at)
    observed = f"{place(course.first)} after {units.span(took)}"
    if took <= limits["passes"]:
        return passed(observed, expected)
    late = (failed if took >= limits["fails"] else warned)(observed, expected)
    # It came: what needs the training lines can be judged.
    return replace(late, blocks=False)


def _no_line(subject: CheckSubject, passes: float, fails: float, expected: str) -> Reading:
    elapsed = subject.elapsed
    if subject.finished:
        return skipped("trained to the end without a log line that could be parsed", expected)
    if subject.life is RunLife.OVER:
        # Why it ended is another item: a death is no slow start.
        return skipped("the training ended before its first line", expected)
    if subject.life is not RunLife.ALIVE or elapsed is None or elapsed <= passes:
        return not_yet(subject, "the first training line", expected)
    observed = f"no training line after {units.span(elapsed)}"
    return (failed if elapsed >= fails else warned)(observed, expected)


def required_metrics(subject: CheckSubject, item: Item) -> Reading:
    """Every required metric is in the training lines."""
    if not subject.required:
        return skipped("no metric is required (--require NAME)", "every required metric is logged")
    expected = f"{', '.join(subject.required)} in the training lines"
    readings = [_logged(subject, name, expected) for name in subject.required]
    # The first that did not pass decides.
    return next((one for one in readings if one.status.value != "pass"), readings[0])


def metric_logged(subject: CheckSubject, item: Item) -> Reading:
    """A metric is in the training lines."""
    name = item.limits["metric"]
    return _logged(subject, name, f"{name} in the training lines")


def _logged(subject: CheckSubject, name: str, expected: str) -> Reading:
    course = subject.course
    if not course.lines:
        return not_yet(subject, "the first training line", expected)
    held = next(
        ((line, v) for line in course.early for k, v in line.metrics.items() if is_called(k, name)),
        None,
    )
    metric = named(subject.s.metrics, name)
    if held is not None:
        observed = f"{name} {held[1]:g} at {place(held[0])}"
    elif metric is not None and metric.last_line:
        observed = f"{name} {metric.value:g} in later lines"
    elif course.lines == 1 and subject.life is RunLife.ALIVE:
        return pending(f"one line so far, without {name}", expected)
    else:
        seen = ", ".join(k for k in course.early[0].metrics if "loss" in k)
        lines = f"{course.lines} training line{'s' if course.lines > 1 else ''}"
        return failed(f"none of {lines} has {name}; losses: {seen or 'none'}", expected)
    gone = next((f for f in subject.findings if f.code == "DW202" and f.subject == name), None)
    if gone is not None:
        return failed(gone.headline, expected, code="DW202")
    return passed(observed, expected)


def metric_at(subject: CheckSubject, item: Item) -> Reading:
    """A metric is in its normal range at an early iteration."""
    limits, course = item.limits, subject.course
    name, at = limits["metric"], limits["iteration"]
    expected = f"{name} {range_words(limits)} at iteration {at}"
    if not course.lines:
        return not_yet(subject, f"iteration {at}", expected)
    if course.begins_late:
        return skipped(f"{_MIDST}, at {place(course.early[0])}", expected)
    line = course.line_at(at)
    if line is None:
        return not_yet(subject, f"iteration {at}", expected)
    if done(line) > 2 * max(at, 1):
        return skipped(f"no line near iteration {at}: the first is at {place(line)}", expected)
    value = next((v for key, v in line.metrics.items() if is_called(key, name)), None)
    if value is None:
        return skipped(f"no {name} in the line at {place(line)}", expected)
    observed = f"{name} {value:g} at {place(line)}"
    if math.isnan(value) or beyond(value, limits.get("fail_below"), limits.get("fail_above")):
        return failed(observed, expected)
    if beyond(value, limits.get("low"), limits.get("high")):
        return warned(observed, expected)
    return passed(observed, expected)


def module_trained(subject: CheckSubject, item: Item) -> Reading:
    """A module is in the model, requires gradients, and the optimizer holds it."""
    seen, wanted = subject.s.model, item.limits["mentions"].lower()
    expected = f"a module of {wanted}, with parameters that the optimizer holds"
    if seen is None:
        if subject.life is RunLife.PLANNED or (
            subject.life is RunLife.ALIVE and not subject.has_trained
        ):
            return pending("the model is not built yet", expected)
        return skipped(
            "the model was not inspected: that needs a training under dualwatch train", expected
        )
    parts = [p for p in seen.parts if wanted in p.path.lower() or wanted in p.kind.lower()]
    if not parts:
        return failed("no module of the model has this name", expected)
    part = max(parts, key=lambda p: p.parameters)
    name = f"{part.path} ({part.kind})"
    if part.parameters == 0:
        return passed(f"{name} has no parameters to train", expected)
    if part.trainable == 0:
        return failed(f"{name}: none of its {part.parameters} parameters is trained", expected)
    if part.optimised is None:
        return skipped(f"{name}: the optimizer could not be inspected", expected)
    if part.optimised < part.trainable:
        observed = f"{name}: the optimizer holds {part.optimised} of {part.trainable} parameters"
        return failed(observed, expected)
    return passed(f"{name}: {part.trainable} parameters, held by the optimizer", expected)


def tensorboard_answers(subject: CheckSubject, item: Item) -> Reading:
    """TensorBoard responds and shows this run."""
    seen, expected = subject.s.tensorboard, "TensorBoard responds and shows this run"
    if subject.life is RunLife.PLANNED:
        return not_begun(expected)
    if seen is None or seen.answers is None:
        why = seen.why if seen is not None else ""
        return skipped(why or "not checked", expected)
    if not seen.answers:
        if subject.life in (RunLife.OVER, RunLife.UNKNOWN):
            return skipped(f"the training and TensorBoard are not running ({seen.url})", expected)
        return failed(f"{seen.url} does not respond: {seen.why}", expected)
    if seen.shows_run is False:
        return failed(f"{seen.url} shows {seen.logdir}, which does not hold this run", expected)
    return passed(f"{seen.url} responds", expected)


def tensorboard_tags(subject: CheckSubject, item: Item) -> Reading:
    """The metrics are tags in the event files."""
    seen = subject.s.tensorboard
    wanted = tuple(dict.fromkeys((*item.limits.get("metrics", ()), *subject.required)))
    if not wanted:
        return skipped("no metric is required", "the event files hold the required metrics")
    expected = f"tags {', '.join(wanted)}"
    if seen is None or seen.files is None:
        return (
            not_yet(subject, "the first event file", expected)
            if (subject.life in (RunLife.PLANNED, RunLife.ALIVE))
            else skipped("the event files were not checked", expected)
        )
    if not seen.files:
        return not_yet(subject, "the first event file", expected)
    missing = [name for name in wanted if not any(is_called(tag, name) for tag in seen.tags)]
    if not missing:
        return passed(f"{len(seen.tags)} tags, including these", expected)
    logged = [n for n in missing if subject.course.lines and named(subject.s.metrics, n)]
    observed = f"no tag {', '.join(missing)} among {len(seen.tags)}: {', '.join(seen.tags[:SHOWN])}"
    if subject.life is RunLife.ALIVE and subject.found("DW802") is None:
        # Event files are written late: two minutes and more.
        return pending(observed, expected)
    if not logged and subject.life is not RunLife.ALIVE and not subject.finished:
        return skipped(f"{observed}; the training ended before", expected)
    return failed(observed, expected)
