"""Whether a training did all that it was configured for, by its log. Pure."""

from __future__ import annotations

import enum
import functools
import re

from dualwatch import frameworks
from dualwatch.events import ErrorFate, ErrorSeen, EvaluationLogged
from dualwatch.protocol import Phase
from dualwatch.rules.deaths import stopped
from dualwatch.state.snapshot import Snapshot

SAME_LOOK = 2.0
"""Seconds within which the order of a heartbeat and a console line is not known."""

SOON = 2.0
"""Seconds that an epoch must take for an estimate of 0 seconds left to mean the last one."""


class Due(str, enum.Enum):
    """What must come after the last training line."""

    CHECKPOINT = "checkpoint"
    VALIDATION = "validation"


def uncaught(s: Snapshot) -> list[ErrorSeen]:
    """Named errors after which the training did not continue."""
    return [
        error
        for error in s.errors
        if error.exception
        and error.fate is ErrorFate.RAISED
        and not went_on(s, error)
        and not stopped.explains(s, error)
    ]


def went_on(s: Snapshot, error: ErrorSeen) -> bool:
    """Whether the training continued after an error, which was caught, then.

    Every rank must have moved: others may finish an iteration after one has died. Console lines do
    not count, since they also come during shutdown.
    """
    later = [s.last_train, s.last_evaluation, s.last_test]
    if any(line is not None and line.at > error.at for line in later):
        return True
    return bool(s.moved_at) and min(s.moved_at.values()) > error.at + SAME_LOOK


def is_test(s: Snapshot) -> bool:
    """Whether its log is that of a test or of a validation alone, and not of a training."""
    if s.train_lines or s.last_iteration is not None or s.pulses:
        return False
    if s.last_test is not None:
        return True
    is_begun = s.milestones & {"checkpoints-announced", "run-announced", "resumed"}
    return s.last_evaluation is not None and not is_begun and s.announced is None


def is_finished(s: Snapshot) -> bool:
    """Whether the training did everything that it was configured for, by its log."""
    if s.phase == Phase.FINISHED:
        return True
    if s.pulses:
        return False
    if s.ended is not None and s.ended.exit_code == 0 and not stopped.was_stopped(s):
        return True  # Of a loop that the agent does not know, its exit code says more than lines.
    if is_test(s):
        return isinstance(s.last_test or s.last_evaluation, EvaluationLogged)
    if s.closed is not None and not _failed_inside(s):
        return True
    if s.last_train is None:
        return _had_finished_before(s)
    if s.last_test is not None and s.last_test.at >= s.last_train.at:
        return has_trained_all(s)
    return has_trained_all(s) and not outstanding(s) and not _failed_inside(s)


def has_trained_all(s: Snapshot) -> bool:
    """Whether the last iteration was trained, whatever must come after it."""
    line, (epochs, iterations) = s.last_train, s.goal
    if line is None:
        return False
    if s.closed is not None:
        return True
    if line.bar:
        return False  # A full bar does not show that what follows it came.
    if line.epoch is None:
        goal = iterations or line.total
        reached = s.saves.iteration if s.saves.is_last else None
        return goal is not None and max(line.iteration, reached or 0) >= goal
    at_end = line.total is not None and line.iteration >= line.total
    if epochs is None:
        # An estimate of the time left is of the whole training, not of the epoch.
        takes = (line.total or 0) * line.metrics.get("time", 0.0)
        return iterations is None and at_end and line.eta_s == 0 and takes > SOON
    # The last line of an epoch may be cut by the log interval: what comes after it shows its end.
    at_end = at_end or any(
        one.is_last and one.epoch == line.epoch for one in (s.saves, s.validations)
    )
    return line.epoch >= epochs and at_end


def outstanding(s: Snapshot) -> tuple[Due, ...]:
    """What must come after the last training line and is not in the log.

    By the configuration, or since it came after earlier epochs.
    """
    line = s.last_train
    if line is None or s.closed is not None:
        return ()
    epoch = line.epoch
    done = line.iteration if epoch is None else epoch * line.total if line.total else None
    if epoch is None:
        # A last interval that was cut short is not logged.
        done = max(done or 0, s.goal[1] or line.total or 0)
    demanded = s.config.due_at_end if s.config is not None else ()
    found: list[Due] = []
    for due, seen in ((Due.CHECKPOINT, s.saves), (Due.VALIDATION, s.validations)):
        is_due = due.value in demanded or seen.is_due(epoch, done)
        if is_due and not seen.is_last:
            found.append(due)
    return tuple(found)


def afterwards(s: Snapshot) -> ErrorSeen | None:
    """The error of what ran in the same process after a training had finished; None for none."""
    if not is_finished(s):
        return None
    later = [error for error in uncaught(s) if error.where]
    return later[-1] if later else None


def _had_finished_before(s: Snapshot) -> bool:
    """Whether it resumed where nothing was left to train."""
    epochs, iterations = s.goal
    if s.resumed is None or uncaught(s):
        return False
    if epochs is not None and s.resumed.epochs is not None:
        return s.resumed.epochs >= epochs
    done = s.resumed.iterations
    return epochs is None and iterations is not None and done is not None and done >= iterations


def _failed_inside(s: Snapshot) -> bool:
    """Whether an error came out of the training itself and not of what follows it."""
    places = _loops()
    return any(
        pattern.search(line)
        for error in uncaught(s)
        for line in error.excerpt
        for pattern in places
    )


@functools.cache
def _loops() -> tuple[re.Pattern[str], ...]:
    return tuple(one.loop_places for one in frameworks.installed() if one.loop_places is not None)
