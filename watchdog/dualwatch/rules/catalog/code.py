"""The documentation of one finding code, and the codes that it explains."""

from __future__ import annotations

from dataclasses import dataclass

from dualwatch.events import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One finding code and its documentation, in whole sentences.

    Attributes:
        remedy: For any framework; an adapter adds a line of its own (``Framework.advice``).
        example: What dualwatch shows when it happens, line by line.
        explains: Codes of which this one is the cause, where both are found.
    """

    code: str
    name: str
    severity: Severity
    means: str
    matters: str
    remedy: str
    example: str = ""
    explains: tuple[str, ...] = ()
