"""The documentation of one finding code, and the codes that it explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dualwatch.events import Circumstance, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One finding code and its documentation, in whole sentences.

    Attributes:
        remedy: For any framework; an adapter adds a line of its own (``Framework.advice``).
        remedies: Circumstance -> the remedy that fits it better than the general one.
        example: What dualwatch shows when it happens, line by line.
        explains: Codes of which this one is the cause, where both are found.
    """

    code: str
    name: str
    severity: Severity
    means: str
    matters: str
    remedy: str
    remedies: Mapping[Circumstance, str] = field(default_factory=dict)
    example: str = ""
    explains: tuple[str, ...] = ()
