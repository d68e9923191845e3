"""What is kept of a finding code: its documentation, and what it explains."""

from __future__ import annotations

from dataclasses import dataclass

from dualwatch.events import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One finding code and its documentation, each text in plain sentences.

    Attributes:
        example: What it looks like when it happens, as dualwatch or the console shows it; lines.
        explains: Codes of which this one is the cause, where both are found.
    """

    code: str
    name: str
    severity: Severity
    means: str
    matters: str
    cure: str
    example: str = ""
    explains: tuple[str, ...] = ()
