"""An item of the checklist, what is judged, and what comes of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dualwatch.events import Finding
from dualwatch.history.training_record import TrainingRecord
from dualwatch.state.snapshot import Snapshot

STAGES = ("preflight", "startup", "warmup", "epoch-1", "running")


NOT_BEGUN = "the training has not begun"


class Status(str, enum.Enum):
    """What an item came to. What cannot be judged yet is pending; what cannot be seen is skipped,
    never passed."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"
    PENDING = "pending"


class RunLife(enum.Enum):
    """Whether more will come of a training. A bare log tells neither its end nor its life."""

    PLANNED = "planned"
    ALIVE = "alive"
    OVER = "over"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of a profile.

    Attributes:
        probe: Name of what judges it.
        limits: What the probe goes by.
        needs: Items without which this one says nothing.
        code: Finding that a failure is of, "" for none of its own.
        worst: The worst that it may come to: "fail", or "warn" for what is good to know.
    """

    id: str
    stage: str
    title: str
    probe: str
    limits: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    code: str = ""
    remedy: str = ""
    worst: str = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSubject:
    """What is judged.

    Attributes:
        s: The newest attempt.
        course: Of the whole run.
        findings: What is the case now, and what the newest attempt is on record for.
        overcome: What earlier attempts, or this one before a cure in place, are on record for.
        required: Metrics that must be trained.
        finished: Whether it did all that it was meant to do.
        elsewhere: Whether it may have run on another machine, of which ours tells nothing.
        orphans_looked_for: Whether somebody looked for what an earlier training left alive.
    """

    s: Snapshot = field(default_factory=Snapshot)
    course: TrainingRecord = field(default_factory=TrainingRecord)
    findings: Sequence[Finding] = ()
    overcome: Sequence[Finding] = ()
    required: tuple[str, ...] = ()
    life: RunLife = RunLife.PLANNED
    finished: bool = False
    elsewhere: bool = False
    orphans_looked_for: bool = False

    def found(self, *codes: str) -> Finding | None:
        """The first finding with one of these codes."""
        return next((f for code in codes for f in self.findings if f.code == code), None)

    @property
    def has_trained(self) -> bool:
        """Whether it has done any iteration: then its configuration and data were good for it."""
        return self.course.lines > 0 or self.s.last_iteration is not None

    @property
    def elapsed(self) -> float | None:
        """Seconds since it began, as far as it was followed."""
        if self.course.begun_at is None or not self.course.timed or self.life is RunLife.PLANNED:
            return None
        return max(0.0, self.s.at - self.course.begun_at)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a probe says.

    Attributes:
        observed: What was seen, or why nothing was.
        expected: What it should be.
        code: Of the finding that it goes back to, where the item's own does not fit.
    """

    status: Status
    observed: str
    expected: str = ""
    code: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """An item and what it came to."""

    item: Item
    status: Status
    observed: str
    expected: str
    remedy: str = ""
    code: str = ""


def passed(observed: str, expected: str = "") -> Reading:
    """As it should be."""
    return Reading(Status.PASS, observed, expected)


def failed(observed: str, expected: str = "", *, code: str = "", remedy: str = "") -> Reading:
    """Not as it should be."""
    return Reading(Status.FAIL, observed, expected, code, remedy)


def warned(observed: str, expected: str = "", *, code: str = "", remedy: str = "") -> Reading:
    """Not good, and no reason to stop."""
    return Reading(Status.WARN, observed, expected, code, remedy)


def skipped(why: str, expected: str = "") -> Reading:
    """It cannot be seen, or does not apply."""
    return Reading(Status.SKIP, why, expected)


def pending(what: str, expected: str = "") -> Reading:
    """It cannot be judged yet."""
    return Reading(Status.PENDING, what, expected)


def not_yet(subject: CheckSubject, what: str, expected: str = "") -> Reading:
    """Pending while it can still come about, else skipped."""
    if subject.life is RunLife.PLANNED:
        return pending(NOT_BEGUN, expected)
    if subject.life is RunLife.OVER:
        return skipped(f"the training ended before {what}", expected)
    if subject.life is RunLife.UNKNOWN:
        return pending(f"the log ends before {what}", expected)
    return pending(f"not yet: {what}", expected)
