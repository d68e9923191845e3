"""What counts as too long or too far: the part of the settings that judges need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a metric may be.

    Attributes:
        low, high: The last values that are well; None where there is no bound.
        after: Iterations that are not judged: a detector's first gradients are large.
    """

    low: float | None = None
    high: float | None = None
    after: int = 0

    def holds(self, value: float) -> bool:
        """Whether a value is within; what is no number is not, and belongs to DW203."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


MACL_RANGES: Mapping[str, Range] = {
    "loss_macl": Range(high=1.0),
    "grad_norm": Range(high=20.0, after=50),
}
"""Of a training with MACL. Its loss is 1.0 by chance, and falls from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times in seconds.

    Attributes:
        required: Metrics that must be in the training lines.
        ranges: What metrics may be; None for what is usual in this kind of training, which
            is nothing but in one with MACL.
        patience: The stall timeout grows to this many times the longest healthy pause.
        usual: A busy loop is suspect beyond this many times its usual pause.
    """

    stall_timeout: float = 300.0
    busy_timeout: float = 1800.0
    required: tuple[str, ...] = ()
    ranges: Mapping[str, Range] | None = None
    patience: float = 5.0
    usual: float = 10.0
