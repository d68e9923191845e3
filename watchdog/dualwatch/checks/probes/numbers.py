"""Checks of what a training achieves, and of its speed and memory over time."""

from __future__ import annotations

from dualwatch.checks.item import (
    CheckSubject,
    Item,
    Reading,
    failed,
    not_yet,
    passed,
    skipped,
    warned,
)
from dualwatch.core import units
from dualwatch.events import Severity
from dualwatch.rules.deaths import memory_growth
from dualwatch.rules.metrics import speed, useless
from dualwatch.rules.metrics.course import course_of_total

LINES = 12
"""Training lines from which a loss is said to fall or not."""


def metric_useful(subject: CheckSubject, item: Item) -> Reading:
    """The metric of the validations rises above its floor."""
    expected = "a metric above 0 and above guessing"
    found = _found(subject, "DW207", expected)
    if found is not None:
        return found
    scores = useless.headline(subject.s)
    if not scores:
        return not_yet(subject, "a validation with a metric", expected)
    name = min(scores, key=lambda one: scores[one].order)
    score = scores[name]
    observed = f"{name} {score.newest:g} at {score.newest_at.words}"
    if score.times > 1 and score.high > score.newest:
        saved = f", {score.high_saved.words}" if score.high_saved is not None else ""
        observed += f"; best {score.high:g} at {score.high_at.words}{saved}"
    fallen = subject.found("DW216")
    if fallen is not None and fallen.severity >= Severity.WARNING:
        return warned(fallen.headline, expected, code="DW216", remedy=fallen.remedy)
    if score.high <= useless.NOTHING:
        return not_yet(subject, f"enough validations (so far {observed})", expected)
    return passed(observed, expected)


def loss_learns(subject: CheckSubject, item: Item) -> Reading:
    """The loss is neither constant nor flat."""
    expected = "a loss that is not constant, and falls in the long run"
    found = _found(subject, "DW206", expected)
    if found is not None:
        return found
    if not subject.course.lines:
        return not_yet(subject, "the first training line", expected)
    course = course_of_total(subject.s)
    if course is None or subject.s.train_lines < LINES:
        return not_yet(subject, "enough training lines with a total loss", expected)
    if subject.found("DW203") is not None or not course.falls:
        return skipped(f"not decided: {course.words}", expected)
    return passed(course.words, expected)


def steady_speed(subject: CheckSubject, item: Item) -> Reading:
    """Iterations do not become slower."""
    expected = "iterations as fast as this training's earlier ones"
    seen = speed.measured(subject.s)
    found = _found(subject, "DW208", expected)
    if found is not None:
        return found
    if seen is None:
        return not_yet(subject, "enough training lines with a time", expected)
    return passed(f"{seen.time:.3g} s an iteration, {seen.early:.3g} s at first", expected)


def fed(subject: CheckSubject, item: Item) -> Reading:
    """The training does not wait for its data most of the time."""
    expected = "less than half of the time is spent waiting for data"
    found = _found(subject, "DW506", expected) or _found(subject, "DW209", expected)
    if found is not None:
        return found
    seen = speed.measured(subject.s)
    if seen is None:
        return not_yet(subject, "enough training lines with a time", expected)
    if seen.data is None:
        return skipped("the log does not say how long it waits for data", expected)
    return passed(f"{seen.data:.2g} of {seen.time:.3g} s an iteration", expected)


def memory_steady(subject: CheckSubject, item: Item) -> Reading:
    """The training's memory does not grow until none is left."""
    expected = "memory that is given back, or that levels off"
    found = _found(subject, "DW505", expected)
    if found is not None:
        return found
    memory = subject.s.memory
    points = memory.host.all
    if not points and not memory.gpus:
        return not_yet(subject, "iterations during which memory was looked at", expected)
    if not points:
        return skipped("the memory of its processes could not be read", expected)
    if not memory_growth.is_long_enough(points):
        return not_yet(subject, "enough iterations during which memory was looked at", expected)
    first, last = points[0], points[-1]
    observed = (
        f"{units.size(first.total)} after iteration {first.iteration}, "
        f"{units.size(last.total)} after iteration {last.iteration}"
    )
    return passed(observed, expected)


def _found(subject: CheckSubject, code: str, expected: str) -> Reading | None:
    """A finding as a reading, None without one."""
    found = subject.found(code)
    if found is None:
        return None
    result = failed if found.severity >= Severity.ERROR else warned
    return result(found.headline, expected, code=code, remedy=found.remedy)
