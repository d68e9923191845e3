"""When the stacks of a silent training are captured."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from dualwatch.collectors.processes import thread_waits
from dualwatch.core.clock import Moment
from dualwatch.rules.stalls import proof, stall
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

CAPTURES = 12
"""Stacks are read at most so often in one silence."""

EARLY_PAUSES = (0.0, 10.0, 10.0, 10.0, 20.0, 30.0, 40.0)
"""Seconds before each early look: three of them, and few more, may prove a deadlock."""


class Look(enum.Enum):
    """``EARLY``: in search of a proof. ``TIMED``: at a share of the stall timeout."""

    EARLY = "early"
    TIMED = "timed"


@dataclass(slots=True)
class LookSchedule:
    """The looks of one silence after the other."""

    limits: Thresholds
    _early: list[float] = field(default_factory=list)
    _timed: int = 0

    def due(self, s: Snapshot, moment: Moment) -> Look | None:
        """The look that is due now and counts as taken; None for none."""
        limit, silence = stall.timeout(s, self.limits), s.silence(moment.at)
        if silence < limit / 2:
            self._timed = 0
            return self._early_one(s, silence, limit / 2)
        count = self._timed
        due = limit * (0.5 + 0.25 * count if count < 3 else count - 1)
        if silence < due or count >= CAPTURES:
            return None
        self._timed += 1
        return Look.TIMED

    def _early_one(self, s: Snapshot, silence: float, until: float) -> Look | None:
        """A training in which anything works, or which was as silent before, is left alone.

        The looks begin before the silence is long enough, so that the third one proves at once.
        """
        if silence < proof.SPAN:
            self._early = []
        count = len(self._early)
        if silence < proof.SPAN or count >= len(EARLY_PAUSES) or not thread_waits.are_shown():
            return None
        least = proof.worth_looking(s, self.limits)
        if least is None or least >= until or silence < least - proof.SPAN:
            return None
        if self._early and silence < self._early[-1] + EARLY_PAUSES[count]:
            return None
        self._early.append(silence)
        return Look.EARLY
