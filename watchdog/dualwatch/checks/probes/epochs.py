"""Checks at the end of an epoch, and of findings at any time."""

from __future__ import annotations

from dualwatch.checks.item import (
    CheckSubject,
    Item,
    Reading,
    RunLife,
    failed,
    not_begun,
    not_yet,
    passed,
    skipped,
    warned,
)
from dualwatch.core import units
from dualwatch.events import Severity
from dualwatch.rules import finished
from dualwatch.rules.deaths import error_patterns
from dualwatch.rules.thresholds import MetricTarget

_STALLS = ("DW101", "DW102", "DW103", "DW105")
_SILENCES = ("DW111", "DW112", "DW113", "DW114", "DW115", "DW116", "DW117", "DW118")
_GAPS = "the record has gaps"


def evaluation(subject: CheckSubject, item: Item) -> Reading:
    """An epoch ends with a validation."""
    course, number = subject.course, item.limits["epoch"]
    expected = f"a validation after epoch {number}"
    found = course.epochs.get(number)
    if found is not None and found.evaluation is not None:
        shown = [f"{k} {v:g}" for k, v in found.evaluation.items() if "time" not in k][:3]
        return passed(", ".join(shown) or "a validation without metrics", expected)
    why = _is_not_to_be(subject, number)
    if why:
        return skipped(why, expected)
    if course.has_gaps and course.newest_epoch > number:
        return skipped(_GAPS, expected)
    if subject.finished and not course.lines:
        return skipped("no log line could be parsed", expected)
    if course.newest_epoch > number or subject.finished:
        return failed(f"none came; the training is in epoch {course.newest_epoch}", expected)
    return not_yet(subject, f"the end of epoch {number}", expected)


def _is_not_to_be(subject: CheckSubject, number: int) -> str:
    """Why no evaluation of an epoch is expected."""
    course, config = subject.course, subject.s.config
    if course.newest is not None and course.newest.bar:
        return "progress bars do not show whether a validation came"
    if course.early and (course.early[0].epoch or 1) > number:
        return f"the record begins in epoch {course.early[0].epoch}"
    if config is None:
        return "the configuration, and with it when a validation is due, is not known"
    if (config.validates_every or 1) > number:
        return f"a validation is due after each {config.validates_every} epochs"
    if config.validates is False:
        return "the configuration has no validation"
    if subject.finished and not subject.s.pulses and not finished.has_trained_all(subject.s):
        return "its loop does not follow the configuration: it ended well before the configured end"
    if config.loaders and not any("val" in name for name in config.loaders):
        return "the configuration has no validation"
    later = [n for n, epoch in course.epochs.items() if epoch.evaluation is not None]
    if later and min(later) > number:
        return f"the first validation comes after epoch {min(later)}"
    return ""


def milestone(subject: CheckSubject, item: Item) -> Reading:
    """A metric reaches its target at the end of an epoch."""
    goal: MetricTarget = item.limits["milestone"]
    course, expected = subject.course, f"{goal.metric} {goal.expected}"
    epoch = course.epochs.get(goal.epoch)
    value = course.evaluated(goal.epoch, goal.metric)
    is_over = epoch is not None and (
        epoch.evaluation is not None or course.newest_epoch > goal.epoch or subject.finished
    )
    if value is None and is_over:
        value = course.level(goal.epoch, goal.metric)
    if value is None:
        if course.early and (course.early[0].epoch or 1) > goal.epoch:
            return skipped(f"the record begins in epoch {course.early[0].epoch}", expected)
        if course.has_gaps and course.newest_epoch > goal.epoch:
            return skipped(_GAPS, expected)
        if is_over:
            return skipped(f"epoch {goal.epoch} ended without {goal.metric}", expected)
        epochs = subject.s.config.epochs if subject.s.config is not None else None
        if subject.finished or (epochs is not None and epochs < goal.epoch):
            return skipped(f"the training has no epoch {goal.epoch}", expected)
        return not_yet(subject, f"the end of epoch {goal.epoch}", expected)
    observed = f"{goal.metric} {value:.4g}"
    if goal.fails(value):
        return failed(observed, expected, remedy=goal.advice)
    if goal.warns(value):
        return warned(observed, expected, remedy=goal.advice)
    return passed(observed, expected)


def no_stall(subject: CheckSubject, item: Item) -> Reading:
    """No stall, now or earlier."""
    expected = "no stall"
    now = subject.found(*_SILENCES, *_STALLS)
    if now is not None and now.severity is Severity.CRITICAL and subject.life is not RunLife.ALIVE:
        return skipped("it ended, which another item reports", expected)
    if now is not None and now.severity >= Severity.ERROR:
        return failed(now.headline, expected, code=now.code)
    earlier = next((f for f in subject.overcome if f.code in (*_SILENCES, *_STALLS)), None)
    if earlier is not None:
        observed = f"it stalled and was recovered: {earlier.headline}"
        return warned(observed, expected, code=earlier.code)
    if subject.life is RunLife.PLANNED:
        return not_begun(expected)
    slow = subject.found("DW104")
    if slow is not None and subject.life is RunLife.ALIVE:
        return warned(slow.headline, expected, code="DW104")
    if subject.finished:
        return passed("trained to the end", expected)
    if subject.life is RunLife.UNKNOWN:
        return skipped("a log alone does not show whether its training has stalled", expected)
    if subject.life is RunLife.OVER:
        return passed("no stall until its end", expected)
    return passed(f"last progress {units.span(subject.s.silence(subject.s.at))} ago", expected)


def none_vanished(subject: CheckSubject, item: Item) -> Reading:
    """No metric has vanished."""
    expected = "metrics that were logged are still logged"
    if not subject.course.lines:
        return not_yet(subject, "the first training line", expected)
    gone = subject.found("DW202")
    if gone is not None:
        return failed(gone.headline, expected, code="DW202")
    if not subject.required:
        return skipped("no metric is required", expected)
    return passed(f"{', '.join(subject.required)} in line {subject.s.train_lines}", expected)


def no_finding(subject: CheckSubject, item: Item) -> Reading:
    """None of these findings was raised."""
    wanted = item.limits["codes"]
    expected = f"no {', '.join(wanted)}"
    found = subject.found(*wanted)
    if found is not None:
        result = failed if found.severity >= Severity.ERROR else warned
        return result(found.headline, expected, code=found.code)
    if not subject.course.lines:
        return not_yet(subject, "the first training line", expected)
    return passed("none", expected)


def ended_well(subject: CheckSubject, item: Item) -> Reading:
    """The training is running, or finished."""
    expected = "the training is running, or finished"
    if subject.life is RunLife.PLANNED:
        return not_begun(expected)
    if subject.finished:
        after = finished.afterwards(subject.s)
        if subject.is_test:
            return passed("a test run, finished", expected)
        if after is None or subject.life is RunLife.ALIVE:
            return passed("trained to the end", expected)
        observed = f"trained to the end; afterwards {after.exception} ({after.where})"
        code = error_patterns.recognise(after)[0]
        return warned(observed, expected, code=code)
    dead = next((f for f in subject.findings if f.severity is Severity.CRITICAL), None)
    if dead is None:
        dead = subject.found("DW609")
    if dead is not None and subject.life is not RunLife.ALIVE:
        return failed(dead.headline, expected, code=dead.code)
    if subject.life is RunLife.ALIVE:
        return passed("the training process is running", expected)
    if subject.life is RunLife.UNKNOWN:
        return skipped("the log does not show how the training ended", expected)
    ended = subject.s.ended
    if ended is not None and ended.signal in ("SIGINT", "SIGTERM"):
        return warned(f"interrupted ({ended.signal})", expected)
    return failed("the training ended before its last epoch", expected)
