"""An item of the checklist, its subject, and its result."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dualwatch.events import Finding
from dualwatch.history.training_record import TrainingRecord
from dualwatch.rules import finished
from dualwatch.state.snapshot import Snapshot

STAGES = ("preflight", "startup", "warmup", "epoch-1", "running")


class NotJudged(str, enum.Enum):
    """Why an item was skipped or is pending, where a view depends on it.

    ``BLOCKED``: an item that it needs failed. ``WAITING``: one that it needs is pending.
    ``NOT_BEGUN``: the training has not begun. ``IGNORED``: the user excluded it. ``ELSEWHERE``: it
    is about this machine, and the training may have run on another one. ``TEST``: it is about a
    training, and this is a test run. ``UNTRIED``: the parts of a configuration were to be built as
    a trial, which did not end.
    """

    BLOCKED = "blocked"
    WAITING = "waiting"
    NOT_BEGUN = "not-begun"
    IGNORED = "ignored"
    ELSEWHERE = "elsewhere"
    TEST = "test"
    UNTRIED = "untried"


class Status(str, enum.Enum):
    """The status of an item. Pending: cannot be judged yet. Skipped: could not be seen; never
    passed."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"
    PENDING = "pending"


class RunLife(enum.Enum):
    """Whether a training continues. A log alone does not show it."""

    PLANNED = "planned"
    ALIVE = "alive"
    OVER = "over"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of a profile.

    Attributes:
        probe: Name of its check.
        limits: Values that the check uses.
        needs: Items that must not have failed for this one to be judged.
        code: Finding code of a failure, "" for none.
        worst: Worst possible status: "fail", or "warn" for an advisory item.
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
    """What is checked.

    Attributes:
        s: The newest attempt.
        course: Record of the whole run.
        findings: Current ones, and those recorded in the newest attempt.
        overcome: Findings of earlier attempts, or from before a replacement in place.
        required: Metrics that must be trained.
        finished: Whether it trained to its end.
        elsewhere: Whether it may have run on another machine, and why that is so.
        orphans_looked_for: Whether processes of earlier trainings were searched for.
    """

    s: Snapshot = field(default_factory=Snapshot)
    course: TrainingRecord = field(default_factory=TrainingRecord)
    findings: Sequence[Finding] = ()
    overcome: Sequence[Finding] = ()
    required: tuple[str, ...] = ()
    life: RunLife = RunLife.PLANNED
    finished: bool = False
    elsewhere: bool = False
    elsewhere_why: str = ""
    orphans_looked_for: bool = False

    def found(self, *codes: str) -> Finding | None:
        """The first finding with one of these codes."""
        return next((f for code in codes for f in self.findings if f.code == code), None)

    @property
    def is_test(self) -> bool:
        """Whether this is a test run, which trains nothing."""
        return finished.is_test(self.s)

    @property
    def has_trained(self) -> bool:
        """Whether it has done an iteration: then its configuration and data worked."""
        return self.course.lines > 0 or self.s.last_iteration is not None

    @property
    def elapsed(self) -> float | None:
        """Seconds since it began; None where that is not known."""
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
        blocks: Whether items that need this one cannot be judged where it fails.
    """

    status: Status
    observed: str
    expected: str = ""
    code: str = ""
    remedy: str = ""
    reason: NotJudged | None = None
    blocked_by: str = ""
    blocks: bool = True


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
    blocks: bool = True


def passed(observed: str, expected: str = "") -> Reading:
    """A reading that passes."""
    return Reading(Status.PASS, observed, expected)


def failed(observed: str, expected: str = "", *, code: str = "", remedy: str = "") -> Reading:
    """A reading that fails."""
    return Reading(Status.FAIL, observed, expected, code, remedy)


def warned(observed: str, expected: str = "", *, code: str = "", remedy: str = "") -> Reading:
    """A reading that warns."""
    return Reading(Status.WARN, observed, expected, code, remedy)


def skipped(why: str, expected: str = "") -> Reading:
    """A reading that could not be made, or does not apply."""
    return Reading(Status.SKIP, why, expected)


def pending(what: str, expected: str = "") -> Reading:
    """A reading that cannot be judged yet."""
    return Reading(Status.PENDING, what, expected)


def not_begun(expected: str = "") -> Reading:
    """Pending: the training has not begun."""
    text = "the training has not begun"
    return Reading(Status.PENDING, text, expected, reason=NotJudged.NOT_BEGUN)


def not_yet(subject: CheckSubject, what: str, expected: str = "") -> Reading:
    """Pending while it can still happen, else skipped."""
    if subject.life is RunLife.PLANNED:
        return not_begun(expected)
    if subject.life is RunLife.OVER:
        return skipped(f"the training ended before {what}", expected)
    if subject.life is RunLife.UNKNOWN:
        return pending(f"the log ends before {what}", expected)
    return pending(f"not yet: {what}", expected)
