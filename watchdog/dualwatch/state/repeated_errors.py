"""Errors that the training survived: the same one again and again is one matter. Pure.

The console's reader tells an error that repeats the 1st, 10th, 100th ... time only, so how often
it was told says how often it came at least.
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
        told: How often the console's reader told it.
        after_line: Training lines that stood before it when it was first seen.
        last_line: The same for the last time that it was told.
        in_loop: Whether the training loop was known to run when it was first seen.
        last_at, last_wall: When it was last told.
    """

    error: ErrorSeen
    told: int
    after_line: int
    last_line: int
    in_loop: bool
    last_at: float
    last_wall: float

    @property
    def at_least(self) -> int:
        """How often it came at least."""
        return int(10 ** min(self.told - 1, 18))


def noted(
    known: tuple[RepeatedError, ...], error: ErrorSeen, *, lines: int, phase: str
) -> tuple[RepeatedError, ...]:
    """The errors so far and one more; bounded, and what repeats is kept longest.

    Args:
        lines: Training lines so far.
        phase: Where the training stands.
    """
    key = _key(error)
    for index, repeated in enumerate(known):
        if _key(repeated.error) == key:
            again = replace(
                repeated,
                told=repeated.told + 1,
                last_line=lines,
                last_at=error.at,
                last_wall=error.wall,
            )
            return (*known[:index], again, *known[index + 1 :])
    fresh = RepeatedError(
        error=error,
        told=1,
        after_line=lines,
        last_line=lines,
        in_loop=lines > 0 or phase not in STARTUP_PHASES,
        last_at=error.at,
        last_wall=error.wall,
    )
    if len(known) >= KEPT_REPEATS:
        weakest = min(known, key=lambda repeated: (repeated.told, repeated.last_at))
        known = tuple(repeated for repeated in known if repeated is not weakest)
    return (*known, fresh)


def _key(error: ErrorSeen) -> tuple[str, str, str]:
    """Numbers that differ do not make it another error: an address, a shape, an iteration."""
    return (error.exception, error.where, _DIGITS.sub("#", error.message[:300]))
