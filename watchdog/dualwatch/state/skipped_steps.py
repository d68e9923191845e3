"""The steps that the scaler of mixed precision left out. Pure."""

from __future__ import annotations

from typing import NamedTuple

from dualwatch.events import StepSkipped


class SkippedSteps(NamedTuple):
    """What a log shows of them.

    Attributes:
        times: How many there were.
        scale: The loss scale after the newest one; None before the first.
        after_lines: How many training lines came before the newest one.
    """

    times: int = 0
    scale: float | None = None
    wall: float = 0.0
    after_lines: int = 0

    def with_one(self, event: StepSkipped, lines: int) -> SkippedSteps:
        """After one more, which so many training lines came before."""
        return SkippedSteps(self.times + 1, event.scale, event.wall, lines)


NO_SKIPS = SkippedSteps()
