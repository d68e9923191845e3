"""Errors that the training survived, repetitions counted as one. Pure.

The console reader reports the 1st, 10th, 100th ... occurrence of an error only, so the number of
reports gives a lower bound of the occurrences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from dualwatch.events import ErrorSeen
from dualwatch.protocol import STARTUP_PHASES

KEPT_REPEATS = 40

_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedError:
    """An error and its repetitions.

    Attributes:
        error: As it was first seen.
        reports: How often the console reader reported it.
        after_line: Training lines before its first report.
        last_line: Training lines before its last report.
        in_loop: Whether the training loop ran at its first report.
        last_at, last_wall: Time of its last report.
    """

    error: ErrorSeen
    reports: int
    after_line: int
    last_line: int
    in_loop: bool
    last_at: float
    last_wall: float

    @property
    def at_least(self) -> int:
        """Lower bound of its occurrences."""
        return int(10 ** min(self.reports - 1, 18))


def noted(
    known: tuple[RepeatedError, ...], error: ErrorSeen, *, lines: int, phase: str
) -> tuple[RepeatedError, ...]:
    """The errors so far and one more; bounded, and what repeats is kept longest.

    Args:
        lines: Training lines so far.
        phase: Of the training.
    """
    key = _key(error)
    for index, repeated in enumerate(known):
        if _key(repeated.error) == key:
            again = replace(
                repeated,
                reports=repeated.reports + 1,
                last_line=lines,
                last_at=error.at,
                last_wall=error.wall,
            )
            return (*known[:index], again, *known[index + 1 :])
    fresh = RepeatedError(
        error=error,
        reports=1,
        after_line=lines,
        last_line=lines,
        in_loop=lines > 0 or phase not in STARTUP_PHASES,
        last_at=error.at,
        last_wall=error.wall,
    )
    if len(known) >= KEPT_REPEATS:
        weakest = min(known, key=lambda repeated: (repeated.reports, repeated.last_at))
        known = tuple(repeated for repeated in known if repeated is not weakest)
    return (*known, fresh)


def _key(error: ErrorSeen) -> tuple[str, str, str]:
    """The identity of an error, without numbers: addresses, shapes and iterations differ."""
    return (error.exception, error.where, _DIGITS.sub("#", error.message[:300]))
