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


class NotJudged(str, enum.Enum):
    """Why an item was skipped or is pending, where a view depends on it.

    ``BLOCKED``: an item that it needs failed. ``WAITING``: one that it needs is pending.
    ``NOT_BEGUN``: the training has not begun. ``IGNORED``: the user excluded it. ``ELSEWHERE``: it
    is about this machine, and the training may have run on another one.
    """

    BLOCKED = "blocked"
    WAITING = "waiting"
    NOT_BEGUN = "not-begun"
    IGNORED = "ignored"
    ELSEWHERE = "elsewhere"


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
    """The result of a check.

    Attributes:
        observed: What was seen, or why nothing was.
        expected: What it should be.
        code: Of the finding behind it, where the item's own code does not fit.
        reason: Why it was not judged, where a view depends on it.
        blocked_by: Id of the item that it needs and that failed or is pending, "" for none.
    """

    status: Status
    observed: str
    expected: str = ""
    code: str = ""
    remedy: str = ""
    reason: NotJudged | None = None
    blocked_by: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """An item with its status; fields as in ``Reading``."""

    item: Item
    status: Status
    observed: str
    expected: str
    remedy: str = ""
    code: str = ""
    reason: NotJudged | None = None
    blocked_by: str = ""


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


def not_begun(expected: str = "") -> Reading:
    """Pending: the training has not begun."""
    text = "the training has not begun"
    return Reading(Status.PENDING, text, expected, reason=NotJudged.NOT_BEGUN)


def not_yet(subject: CheckSubject, what: str, expected: str = "") -> Reading:
    """Pending while it can still come about, else skipped."""
    if subject.life is RunLife.PLANNED:
        return not_begun(expected)
    if subject.life is RunLife.OVER:
        return skipped(f"the training ended before {what}", expected)
    if subject.life is RunLife.UNKNOWN:
        return pending(f"the log ends before {what}", expected)
    return pending(f"not yet: {what}", expected)
