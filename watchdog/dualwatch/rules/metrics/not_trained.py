"""DW214: parts of the model that the optimizer's steps do not train, by module. Pure.

What is frozen (no parameter of it wants a gradient) is frozen on purpose. Leaving a part out of the
optimizer, or detaching it, may be on purpose too: that is a warning. Only where nothing of the
model is trained, or gradients add up from step to step, it is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dualwatch.events import (
    Circumstance,
    Evidence,
    Finding,
    LearningSeen,
    PartLearning,
    Severity,
)
from dualwatch.rules.catalog import finding
from dualwatch.rules.metrics.metrics import INSIDE
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

LOOKS = 3
"""Observed steps from which a part is judged."""

MANY_LOOKS = 6
"""The same where a part may only have had nothing to do in the first iterations."""

LONG = 100
"""Iterations in which a schedule that starts from 0 has raised the rate, and values have moved."""

SMALL = 0.01
"""Share of the model below which a module within a part is not worth a finding."""

SHOWN = 6


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """One finding for each way in which parts are not trained."""
    seen = s.learning
    if seen is None or not seen.parts or seen.parts[0].path:
        return
    whole = seen.parts[0]
    if seen.uncleared >= LOOKS - 1 and not seen.cleared:
        yield _found(s, seen, Circumstance.NOT_CLEARED, Severity.ERROR, [_uncleared(seen)], 0.95)
    found_whole = False
    for what, is_so in _OF_THE_WHOLE.items():
        if not found_whole and is_so(whole, seen):
            found_whole = True
            texts = [_WORDS[what].format("the whole model", looks=whole.looks)]
            severity = None if what is Circumstance.EVAL_MODE else Severity.ERROR
            yield _found(s, seen, what, severity, texts, 0.95)
    if found_whole:
        return
    for what, is_so in _OF_PARTS.items():
        faulty = _uppermost(seen, is_so)
        if faulty:
            texts = [_text(what, part) for part in faulty]
            severity = Severity.INFO if what is Circumstance.RATE_ZERO else None
            yield _found(s, seen, what, severity, texts, _SURE[what])


def idle(s: Snapshot) -> list[str]:
    """Parts with which the first steps did nothing: too early for a finding, yet not trained."""
    seen = s.learning
    if seen is None or not seen.parts or seen.parts[0].path:
        return []
    return [_text(Circumstance.NEVER_CALLED, part) for part in _uppermost(seen, _is_idle)]


# --- what is wrong ------------------------------------------------------------------------------


def _is_outside(part: PartLearning, seen: LearningSeen) -> bool:
    return part.looks >= LOOKS and part.optimised == 0


def _is_detached(part: PartLearning, seen: LearningSeen) -> bool:
    return part.looks >= LOOKS and not part.gradient and part.called and part.optimised != 0


def _is_idle(part: PartLearning, seen: LearningSeen) -> bool:
    return part.looks >= LOOKS and not part.gradient and not part.called


def _is_unused(part: PartLearning, seen: LearningSeen) -> bool:
    return part.looks >= MANY_LOOKS and _is_idle(part, seen)


def _is_without_rate(part: PartLearning, seen: LearningSeen) -> bool:
    """A rate of 0 that no schedule raises, or has raised in time."""
    rises = bool(part.rising) and seen.iteration - seen.first < LONG
    return part.looks >= LOOKS and bool(part.optimised) and not part.rated and not rises


def _is_without_slope(part: PartLearning, seen: LearningSeen) -> bool:
    is_known = part.looks >= (MANY_LOOKS if part.path else LOOKS) and part.sampled > 0
    return is_known and bool(part.gradient) and not part.moves


def _is_unchanged(part: PartLearning, seen: LearningSeen) -> bool:
    is_known = seen.iteration - seen.first >= LONG and part.sampled > 0 and part.looks >= LOOKS
    return is_known and bool(part.rated) and bool(part.moves) and not part.changed


def _is_in_eval(part: PartLearning, seen: LearningSeen) -> bool:
    return part.evaluating >= LOOKS and part.evaluating == seen.steps


_Test = Callable[[PartLearning, LearningSeen], bool]

_OF_THE_WHOLE: dict[Circumstance, _Test] = {
    Circumstance.OUTSIDE_OPTIMIZER: _is_outside,
    Circumstance.RATE_ZERO: _is_without_rate,
    Circumstance.ZERO_GRADIENT: _is_without_slope,
    Circumstance.UNCHANGED: _is_unchanged,
    Circumstance.EVAL_MODE: _is_in_eval,
}

_OF_PARTS: dict[Circumstance, _Test] = {
    Circumstance.OUTSIDE_OPTIMIZER: _is_outside,
    Circumstance.NO_GRADIENT: _is_detached,
    Circumstance.NEVER_CALLED: _is_unused,
    Circumstance.RATE_ZERO: _is_without_rate,
    Circumstance.ZERO_GRADIENT: _is_without_slope,
    Circumstance.UNCHANGED: _is_unchanged,
    Circumstance.EVAL_MODE: _is_in_eval,
}

_WORDS = {
    Circumstance.OUTSIDE_OPTIMIZER: "{} wants gradients and is in no optimizer",
    Circumstance.NO_GRADIENT: "{} is used in the forward pass and received no gradient in any of "
    "{looks} observed steps",
    Circumstance.NEVER_CALLED: "{} received no gradient in any of {looks} observed steps, and its "
    "forward pass did not run in the first of them",
    Circumstance.RATE_ZERO: "{} has a learning rate of 0 in each of {looks} observed steps",
    Circumstance.ZERO_GRADIENT: "{} has a gradient of 0 in each of {looks} observed steps",
    Circumstance.UNCHANGED: "{} has gradients and a learning rate, and its values did not change "
    "in {looks} observed steps",
    Circumstance.EVAL_MODE: "{} is trained in eval mode: its dropout is off and its norm layers "
    "use old statistics, in each of {looks} observed steps",
}

_SURE = {
    Circumstance.OUTSIDE_OPTIMIZER: 0.95,
    Circumstance.NO_GRADIENT: 0.9,
    Circumstance.NEVER_CALLED: 0.6,
    Circumstance.RATE_ZERO: 0.95,
    Circumstance.ZERO_GRADIENT: 0.7,
    Circumstance.UNCHANGED: 0.8,
    Circumstance.EVAL_MODE: 0.8,
}


def _uppermost(seen: LearningSeen, is_so: _Test) -> list[PartLearning]:
    """The large parts of which it is so, without modules inside of one that is listed."""
    whole, parts = seen.parts[0], seen.parts[1:]
    large = [part for part in parts if _is_large(part, whole)]
    found = [part for part in large if part.trainable and is_so(part, seen)]
    paths = {part.path for part in found}
    return [part for part in found if part.path.rpartition(".")[0] not in paths]


def _is_large(part: PartLearning, whole: PartLearning) -> bool:
    return "." not in part.path or part.trainable >= SMALL * whole.trainable


# --- words --------------------------------------------------------------------------------------


def _text(what: Circumstance, part: PartLearning) -> str:
    name = f"{part.path} ({part.kind}, {part.trainable} parameters)"
    looks = part.evaluating if what is Circumstance.EVAL_MODE else part.looks
    return _WORDS[what].format(name, looks=looks)


def _uncleared(seen: LearningSeen) -> str:
    return (
        f"the gradients of a step are still there at the next one, in {seen.uncleared} of "
        f"{seen.uncleared} observed: they add up over all iterations"
    )


def _found(
    s: Snapshot,
    seen: LearningSeen,
    what: Circumstance,
    severity: Severity | None,
    texts: list[str],
    confidence: float,
) -> Finding:
    if len(texts) > SHOWN:
        texts = [*texts[:SHOWN], f"and {len(texts) - SHOWN} more"]
    texts = [*texts, f"observed in iterations {seen.first} to {seen.iteration}"]
    return finding(
        "DW214",
        [Evidence(text=text, source=INSIDE, wall=seen.wall) for text in texts],
        confidence=confidence,
        severity=severity,
        attempt=s.attempt,
        subject=what.value,
        circumstance=what,
    )
