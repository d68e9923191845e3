"""What counts as too long or too far: the part of the settings that judges need."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times in seconds.

    Attributes:
        required: Metrics that must be in the training lines.
        patience: The stall timeout grows to this many times the longest healthy pause.
        usual: A busy loop is suspect beyond this many times its usual pause.
    """

    stall_timeout: float = 300.0
    busy_timeout: float = 1800.0
    required: tuple[str, ...] = ()
    patience: float = 5.0
    usual: float = 10.0
