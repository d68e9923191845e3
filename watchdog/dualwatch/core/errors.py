"""Errors that are shown to the user (what happened, why, what to do), and the exit codes."""

from __future__ import annotations

import contextlib
import difflib
import enum
import errno
from collections.abc import Iterable, Iterator
from pathlib import Path

DISK_FULL = "DW502"


def nearest(word: str, allowed: Iterable[str], most: int = 1, cutoff: float = 0.4) -> list[str]:
    """The valid names that are most like a word; those that begin with it come first."""
    names = list(allowed)
    longer = sorted((name for name in names if word and name.startswith(word)), key=len)
    alike = difflib.get_close_matches(word, names, n=most, cutoff=cutoff)
    return list(dict.fromkeys((*longer, *alike)))[:most]


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """A question with the nearest valid name, "" where none is near."""
    return "".join(f"did you mean {name!r}?" for name in nearest(word, allowed))


class Exit(enum.IntEnum):
    """Exit codes; the worst one wins."""

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
        what: What happened, one line.
        why: The reason and its source; may have several lines.
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


def code_of(error: OSError) -> str | None:
    """The finding code of a system error; None where there is none for it."""
    return DISK_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else None


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns system errors on dualwatch's own files into errors for the user.

    Raises:
        DualwatchError: Something could not be written below the folder.
    """
    try:
        yield
    except OSError as error:
        raise DualwatchError(
            f"dualwatch's own files cannot be written: {folder}",
            why=f"{error.filename or folder}: {error.strerror or error}",
            do="free disk space, correct the permissions or choose another --work-dir",
            code=code_of(error),
        ) from error
