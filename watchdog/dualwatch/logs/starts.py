"""Where the starts of a training begin in a log. Pure.

One file often holds several starts: a console that a second start was appended to, a loop over
configurations, a resumed training. A start shows by what a framework prints before it trains, where
that comes again, and by counters that begin again.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from dualwatch.events import (
    ErrorSeen,
    EvaluationLogged,
    Event,
    GoalAnnounced,
    IterationLogged,
    LogMilestone,
    ProgressShown,
)

SAME_START_S = 5.0
"""Seconds within which an opening that comes again is that of another process of the same start."""

SKEW = 3
"""Log intervals that one rank may be behind another that writes to the same log."""


class Stage(enum.IntEnum):
    """How far a start has come, by what it printed."""

    NOTHING = 0
    ENVIRONMENT = 1
    CONFIGURATION = 2
    BUILT = 3
    ANNOUNCED = 4
    TRAINING = 5


_OPENINGS = {
    "environment": Stage.ENVIRONMENT,
    "config-dump": Stage.CONFIGURATION,
    "hooks-listed": Stage.BUILT,
    "run-announced": Stage.BUILT,
    "resumed": Stage.ANNOUNCED,
    "checkpoints-announced": Stage.ANNOUNCED,
}


_ENDS = ("run-over", "stopped-early")


class Position(NamedTuple):
    """The counters of a training line; ``epoch`` is 0 where a training counts no epochs."""

    epoch: int
    iteration: int
    total: int


class StartFinder:
    """Follows one log and recognises where another start begins."""

    def __init__(self) -> None:
        self._stage = Stage.NOTHING
        self._begun = 0.0
        self._failed = self._resumed = False
        self._first: Position | None = None
        self._highest: Position | None = None
        self._bar: Position | None = None
        self._counts: dict[str, tuple[int, int]] = {}
        self._step = 0

    @property
    def is_resumed(self) -> bool:
        """Whether the present start continues what an earlier one has trained."""
        return self._resumed

    @property
    def has_failed(self) -> bool:
        """Whether the present start had an exception: lower counters are those of another."""
        return self._failed

    def begins(self, event: Event) -> bool:
        """Whether an event is the first of another start; takes it."""
        stage = _stage_of(event)
        if isinstance(event, ProgressShown) and event.mode == "train":
            return self._is_drawn_again(event)
        if isinstance(event, ErrorSeen):
            self._failed = self._failed or bool(event.exception and event.where)
            return False
        if stage is None:
            return False
        is_new = stage < Stage.TRAINING and self._comes_again(stage, event.wall)
        if is_new:
            self.begin(event.wall)
        if self._stage is Stage.NOTHING:
            self._begun = event.wall
        self._stage = max(self._stage, stage)
        if isinstance(event, LogMilestone) and event.name == "resumed":
            self._resumed = True
        return is_new

    def falls(self, position: Position) -> bool:
        """Whether the counters of a training line belong to another start; takes them."""
        known = self._highest
        if known is None:
            self._first = self._highest = position
            self._resumed = self._resumed or position.epoch > 1
            return False
        if position > known:
            if position.epoch == known.epoch:
                step = position.iteration - known.iteration
                if not self._step and known == self._first and known.iteration > 1.5 * step:
                    self._resumed = True  # Its first line is not one interval from its beginning.
                self._step = min(self._step or step, step)
            self._highest = position
            self._stage = Stage.TRAINING
            return False
        return position < known and (self._failed or self._is_behind(position, known))

    def _is_drawn_again(self, event: ProgressShown) -> bool:
        """Whether a bar of a training begins again; takes it."""
        self._stage = Stage.TRAINING
        if not event.bar and event.epoch is None:
            return self._counts_again(event)
        position = Position(event.epoch or 0, event.done if event.epoch is not None else 0, 0)
        known, self._bar = self._bar, max(self._bar or position, position)
        if known is None or position >= known:
            return False
        # Bars of one epoch are drawn anew, and one of an epoch of its own may come in between.
        if known.epoch - position.epoch > 1 or self._failed:
            self.begin(event.wall)
            self._stage, self._bar = Stage.TRAINING, position
            return True
        return False

    def _counts_again(self, event: ProgressShown) -> bool:
        """Whether a line that counts steps alone counts from its beginning again; takes it."""
        unit = event.label.rstrip("0123456789/ ()[]:=#")
        first, newest = self._counts.get(unit, (event.done, event.done))
        self._counts[unit] = first, event.done
        if event.done >= newest:
            return False
        is_pass = event.total is not None and newest >= event.total  # Over the data, of several.
        if self._failed or (event.done <= first and not is_pass):
            self.begin(event.wall)
            self._stage, self._counts = Stage.TRAINING, {unit: (event.done, event.done)}
            return True
        return False

    def begin(self, wall: float, position: Position | None = None) -> None:
        """Another start begins here, with the counters of its first line if it is one."""
        self._stage, self._begun = Stage.NOTHING, wall
        self._failed = self._resumed = False
        self._first = self._highest = self._bar = None
        self._counts = {}
        self._step = 0
        if position is not None:
            self.falls(position)

    def _comes_again(self, stage: Stage, wall: float) -> bool:
        """Whether a start at this stage cannot be at that of an opening."""
        if self._stage is Stage.TRAINING:
            return True
        if self._failed and stage <= self._stage:
            return True
        if wall - self._begun < SAME_START_S:
            return False
        if stage is Stage.ENVIRONMENT:
            return self._stage >= Stage.CONFIGURATION
        return stage is Stage.CONFIGURATION and self._stage >= Stage.BUILT

    def _is_behind(self, position: Position, known: Position) -> bool:
        """Whether counters are lower than those of a rank that is merely slower."""
        skew = SKEW * self._step
        if position.epoch == known.epoch:
            return self._step > 0 and known.iteration - position.iteration > skew
        if known.epoch - position.epoch > 1:
            return True
        return position.total - position.iteration > skew


def _stage_of(event: Event) -> Stage | None:
    if isinstance(event, LogMilestone):
        return Stage.TRAINING if event.name in _ENDS else _OPENINGS.get(event.name)
    if isinstance(event, GoalAnnounced):
        return Stage.BUILT
    return Stage.TRAINING if isinstance(event, (IterationLogged, EvaluationLogged)) else None
