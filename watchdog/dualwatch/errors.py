"""Errors for people: what, where, why, what to do. And the exit codes of the contract."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """Exit codes; worse beats milder."""

    OK = 0
    WRONG = 1
    USAGE = 2
    NOT_OBSERVED = 3
    GAVE_UP = 4
    TRAINING_FAILED = 5
    INTERNAL = 70
    INTERRUPTED = 130
    TERMINATED = 143


class DualwatchError(Exception):
    """An expected failure, shown without a traceback.

    Args:
        what: What went wrong, one line.
        why: The reason, with where it was seen; may have several lines.
        do: What to do about it.
        exit_code: Code of the contract.
        code: A finding code, where one fits.
    """

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        do: str = "",
        exit_code: Exit = Exit.USAGE,
        code: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.do = do
        self.exit_code = exit_code
        self.code = code
