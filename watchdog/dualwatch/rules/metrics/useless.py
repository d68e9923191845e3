"""DW207 and DW216: validations whose metric is at its floor, and a best one long ago. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from dualwatch.events import Evidence, Finding, Severity
from dualwatch.rules.catalog import finding
from dualwatch.rules.finished import has_trained_all, is_finished
from dualwatch.rules.metrics.course import course_of_total
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.evaluations import Score, is_overall
from dualwatch.state.snapshot import Snapshot

NOTHING = 0.002
"""A metric up to this is at its floor, whether it counts to 1 or to 100."""

ENOUGH = 3
"""Validations from which it is reported: the first ones of a detector may be 0."""

MANY = 5
"""Validations that are enough where it is not known how long the training lasts."""

LEAST_STEPS = 100
"""Iterations of a finished training from which two validations at the floor are reported."""

BEGINNING = 0.1
"""Share of a training in which the metric may be at its floor: transformers take their time ..."""

ADVANCED = 0.5
"""... and from which it will not rise any more."""

NEAR_CHANCE = 0.3
"""Share by which an accuracy may differ from that of guessing."""

NEAR_LOSS = 0.006
"""Difference from ln K by which the loss, of three digits perhaps, shows K classes."""

MOST_CLASSES = 2000

FALLEN_BACK = 0.8
"""Share of the best value below which the newest one is reported."""

_ACCURACY = re.compile(r"(?i)(?:^|[/_. ])(?:acc(?:uracy)?|top-?_?1|(?:acc|prec)@?1|aAcc|mAcc)$")

NOT_MEASURED = (
    "The losses fall, so what is learned is not what is measured: compare the classes and label "
    "ids of the training's and the validation's annotations, and look at some predictions."
)
NOT_LEARNED = (
    "The losses do not fall either: check the labels, that the learning rate is neither 0 nor far "
    "too large, and that the head's parameters are trained."
)
NOT_KNOWN = (
    "Compare the classes and label ids of the training's and the validation's annotations, and "
    "look at some predictions of the newest checkpoint."
)


class _Floor(NamedTuple):
    """Why a metric is useless; ``why`` completes "it is 0 in all 4 validations"."""

    why: str
    evidence: str = ""


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Metrics that were at their floor in every validation."""
    if not s.results.scores:
        yield from _nothing_found(s)
        return
    found = {name: score for name, score in headline(s).items() if score.times >= 2}
    floors = {name: _floor(s, name, score) for name, score in found.items()}
    useless = {name: floor for name, floor in floors.items() if floor is not None}
    if not useless:
        return
    name = min(useless, key=lambda one: found[one].order)
    severity = _severity(s, found[name].times)
    if severity is None:
        return
    if len(useless) < len(floors):
        severity = Severity.WARNING  # Another metric rises: only a part of it is wrong.
    yield _useless(s, name, found[name], useless, severity)


def best_long_ago(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """A note that the best validation was an earlier one, and by far."""
    scores = headline(s)
    if not scores:
        return
    name = min(scores, key=lambda one: scores[one].order)
    score = scores[name]
    is_gone = score.newest <= NOTHING < FALLEN_BACK * score.high
    if score.high <= NOTHING or score.newest >= FALLEN_BACK * score.high:
        return
    if score.times < ENOUGH and not is_gone:
        return
    text = (
        f"{name} was best at {score.high_at.words} ({score.high:g}) and is {score.newest:g} at "
        f"{score.newest_at.words}"
    )
    evidence = [Evidence(text=text, source=s.log)]
    saved = score.high_saved
    if saved is not None:
        evidence.append(Evidence(text=f"the checkpoint of the best: {saved.words}", source=s.log))
    remedy = f"Use {saved.words} rather than the last checkpoint." if saved is not None else None
    yield finding(
        "DW216",
        evidence,
        confidence=1.0,
        remedy=remedy,
        severity=Severity.WARNING if is_gone else Severity.INFO,
        attempt=s.attempt,
        subject=name,
    )


def headline(s: Snapshot) -> dict[str, Score]:
    """The scores of a validation as a whole, else its first metric."""
    scores = s.results.scores
    found = {name: score for name, score in scores.items() if is_overall(name)}
    if found or not scores:
        return found
    first = min(scores, key=lambda name: scores[name].order)
    return {first: scores[first]}


def _nothing_found(s: Snapshot) -> Iterator[Finding]:
    """Validations that had no result to measure: the log shows it, and has no metric."""
    times = s.results.validations
    severity = _severity(s, times) if "results-empty" in s.milestones and times >= 2 else None
    if severity is None:
        return
    text = f"none of {times} validations has a metric: the model found nothing in any of them"
    yield finding(
        "DW207",
        [Evidence(text=text, source=s.log)],
        confidence=0.9,
        remedy=NOT_KNOWN,
        severity=severity,
        attempt=s.attempt,
    )


def _severity(s: Snapshot, times: int) -> Severity | None:
    """How bad it is by how far the training has come; None where it is too early."""
    share = _share_done(s)
    if is_finished(s) or has_trained_all(s):
        if times >= ENOUGH:
            return Severity.ERROR
        few = s.last_iteration is not None and s.last_iteration < LEAST_STEPS
        return None if few else Severity.WARNING
    if times < ENOUGH or (share is not None and share < BEGINNING):
        return None
    late = share >= ADVANCED if share is not None else times >= MANY
    return Severity.ERROR if late else Severity.WARNING


def _share_done(s: Snapshot) -> float | None:
    """How much of the training is done, None where that is not known."""
    line, (epochs, iterations) = s.last_train, s.goal
    if line is None:
        return None
    epochs = epochs or (s.shown.epochs if s.shown is not None else None)
    if epochs and line.epoch is not None:
        return line.epoch / epochs
    return line.iteration / iterations if iterations and line.epoch is None else None


def _floor(s: Snapshot, name: str, score: Score) -> _Floor | None:
    if score.high <= NOTHING:
        if score.high < 0:
            return _Floor("there is nothing to measure: no annotation of that kind")
        return _Floor("")
    if _ACCURACY.search(name) is None:
        return None
    course = course_of_total(s)
    known = s.config.classes if s.config is not None else None
    if known is not None and known > 1:
        enough = score.times >= ENOUGH or (course is not None and not course.falls)
        if enough and _is_chance(score, known):
            return _Floor(f"as guessing among {known} classes is ({_chance(score, known)})")
        return None
    # A classifier that has learned nothing has a loss of ln K.
    if course is None or course.falls:
        return None
    classes = round(math.exp(min(course.late, 10.0)))
    near = abs(course.late - math.log(classes)) <= NEAR_LOSS if classes > 1 else False
    if not near or classes > MOST_CLASSES or not _is_chance(score, classes):
        return None
    text = f"the loss is {course.late:.4g}, as guessing among about {classes} classes makes it"
    return _Floor(f"as guessing among about {classes} classes is ({_chance(score, classes)})", text)


def _is_chance(score: Score, classes: int) -> bool:
    """Whether all values are those of guessing, as a share or in percent."""
    for whole in (1.0, 100.0):
        chance = whole / classes
        if chance * (1 - NEAR_CHANCE) <= score.low and score.high <= chance * (1 + NEAR_CHANCE):
            return True
    return False


def _chance(score: Score, classes: int) -> str:
    whole = 100.0 if score.high * classes > 10.0 else 1.0
    return f"{whole / classes:.3g}"


def _useless(
    s: Snapshot, name: str, score: Score, useless: dict[str, _Floor], severity: Severity
) -> Finding:
    floor = useless[name]
    value = f"{score.low:g}" if score.low == score.high else f"{score.low:g} to {score.high:g}"
    others = [one for one in useless if one != name]
    also = f" (also {', '.join(others[:3])})" if others else ""
    why = f": {floor.why}" if floor.why else ""
    if floor.why.startswith("as "):
        why = f", {floor.why}"
    text = (
        f"{name}{also} is {value} in all {score.times} validations, the newest at "
        f"{score.newest_at.words}{why}"
    )
    wall = s.last_evaluation.wall if s.last_evaluation is not None else None
    evidence = [Evidence(text=text, source=s.log, wall=wall)]
    if floor.evidence:
        evidence.append(Evidence(text=floor.evidence, source=s.log))
    course, remedy = course_of_total(s), NOT_KNOWN
    if course is not None:
        remedy = NOT_MEASURED if course.falls else NOT_LEARNED
        evidence.append(Evidence(text=course.words, source=s.log))
    return finding(
        "DW207",
        evidence,
        confidence=0.95 if severity is Severity.ERROR else 0.7,
        remedy=remedy,
        severity=severity,
        attempt=s.attempt,
        subject=name,
    )
