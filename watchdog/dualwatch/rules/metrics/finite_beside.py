"""DW203 where no training line shows it: skipped steps, and losses of validations. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from dualwatch.core.units import counted
from dualwatch.events import Evidence, Finding, Severity
from dualwatch.rules.catalog import finding
from dualwatch.state.snapshot import Snapshot

LEAST_SCALE = 0.01
"""A loss scale below which no scaler recovers by itself: float16 needs far less than that."""

LEAST_STEPS = 20
"""Skipped steps up to which a scaler looks for its scale."""

OVER = 50
"""Training lines after the newest skipped step from which that is over."""

NO_STEP = (
    "The gradients are not finite at any scale, so no step is taken. Train in bfloat16 or float32 "
    "to see whether the loss is finite then; lower the learning rate, clip the gradients and look "
    "at the data."
)
IN_VALIDATION = (
    "Look at what is validated: an empty set, labels that are all ignored, samples that no "
    "training batch is like. Where the training's loss is finite, an overflow of float16 in eval "
    "mode and the running statistics of BatchNorm are the usual causes."
)


def not_stepping(s: Snapshot) -> Iterator[Finding]:
    """The scaler left out step after step, and its scale has sunk far below any use."""
    skipped = s.skipped
    if skipped.scale is None or skipped.scale >= LEAST_SCALE or skipped.times < LEAST_STEPS:
        return
    if s.train_lines - skipped.after_lines > OVER:
        return
    text = (
        f"the scaler of mixed precision left out {counted(skipped.times, 'step')} and reduced its "
        f"loss scale to {skipped.scale:.2g}: the gradients are not finite"
    )
    evidence = [Evidence(text=text, source=s.log, wall=skipped.wall)]
    yield finding("DW203", evidence, confidence=0.95, remedy=NO_STEP, attempt=s.attempt)


def of_validations(s: Snapshot) -> Iterator[Finding]:
    """A loss of the newest validations that is not finite, while those of the training are."""
    if not s.results.broken or not s.train_lines:
        return
    name, bad = max(s.results.broken.items(), key=lambda one: one[1].times)
    running = "the newest validation" if bad.times == 1 else f"the newest {bad.times} validations"
    text = f"{name} is {bad.value:g} in {running}, since {bad.since.words}"
    evidence = [
        Evidence(text=text, source=s.log, wall=bad.wall),
        Evidence(text="the losses of the training are finite", source=s.log),
    ]
    yield finding(
        "DW203",
        evidence,
        confidence=0.95,
        remedy=IN_VALIDATION,
        severity=Severity.ERROR if bad.times > 1 else Severity.WARNING,
        attempt=s.attempt,
    )
