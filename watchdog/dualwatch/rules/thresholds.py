"""Limits of the rules: times, ranges and targets of metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dualwatch.domains.base import Range


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTarget:
    """The value that a metric should have reached at the end of an epoch.

    Attributes:
        epoch: Number of the epoch, or of the evaluation where a training counts no epochs.
        metric: Of the evaluation, else of the training log.
        fail_below, warn_below, fail_above, warn_above: Inclusive bounds; None for no bound.
        advice: What to do about it.
    """

    epoch: int
    metric: str
    fail_below: float | None = None
    warn_below: float | None = None
    fail_above: float | None = None
    warn_above: float | None = None
    advice: str = ""

    def fails(self, value: float) -> bool:
        """Whether a value is beyond the limits; NaN is."""
        return not _within(value, self.fail_below, self.fail_above)

    def warns(self, value: float) -> bool:
        """Whether a value passes, but is worse than expected."""
        return not _within(value, self.warn_below, self.warn_above)

    @property
    def expected(self) -> str:
        """The expected values as text."""
        words = []
        for name, sign in (("below", ">="), ("above", "<=")):
            fail, warn = getattr(self, f"fail_{name}"), getattr(self, f"warn_{name}")
            if fail is not None:
                words.append(f"{sign} {fail:g}")
            if warn is not None and warn != fail:
                words.append(f"better {sign} {warn:g}")
        return ", ".join(words)


def _within(value: float, low: float | None, high: float | None) -> bool:
    above = low is None or value >= low
    return above and (high is None or value <= high) and not math.isnan(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Times in seconds.

    Attributes:
        required: Metrics that must be in the training lines.
        ranges: Ranges of metrics; None for those of the training's domain.
        milestones: Targets of metrics, epoch by epoch.
        patience: The stall timeout grows to this many times the longest healthy pause.
        usual: A busy loop is suspect beyond this many times its usual pause.
    """

    stall_timeout: float = 300.0
    busy_timeout: float = 1800.0
    required: tuple[str, ...] = ()
    ranges: Mapping[str, Range] | None = None
    milestones: tuple[MetricTarget, ...] = ()
    patience: float = 5.0
    usual: float = 10.0
