"""How a run ended."""

from __future__ import annotations

import enum


class Outcome(str, enum.Enum):
    """A word of the contract for the end of a run."""

    COMPLETED = "completed"
    COMPLETED_WITH_FINDINGS = "completed-with-findings"
    GAVE_UP = "gave-up"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


FINISHED = (Outcome.COMPLETED, Outcome.COMPLETED_WITH_FINDINGS)
"""The training trained to its end."""
