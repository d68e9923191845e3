"""A wrong word on the command line, said in the voice of all our errors.

Typer keeps its errors in private modules that move between its versions: they are known by what
they can do, not by their names.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import Any

from dualwatch.core.errors import DualwatchError, Exit


def translated(
    error: Exception, words: Sequence[str], commands: Collection[str]
) -> DualwatchError | None:
    """What is wrong with a command line; None where the error is another matter.

    Args:
        words: The command line.
        commands: Names of all commands.
    """
    told = getattr(error, "format_message", None)
    if told is None or getattr(error, "exit_code", None) != Exit.USAGE:
        return None
    context: Any = getattr(error, "ctx", None)
    called = [word for word in words[:1] if word in commands]
    place = context.command_path if context is not None else " ".join(["dualwatch", *called])
    # Several of Typer's messages carry a list on lines of their own.
    nearest = _nearest(error)
    what = " ".join(str(getattr(error, "message", "") if nearest else told()).split()).rstrip(".")
    return DualwatchError(
        what[:1].lower() + what[1:],
        why=f"{place} takes no such option; the nearest: {nearest}" if nearest else "",
        do=f"`{place} --help` lists what it takes, with examples",
    )


def is_help(error: Exception) -> bool:
    """Whether nothing is wrong but that nothing was asked: the help is the answer."""
    return type(error).__name__ == "NoArgsIsHelpError"


def _nearest(error: Exception) -> str:
    possible = getattr(error, "possibilities", None) or ()
    wrong = str(getattr(error, "option_name", ""))
    return ", ".join(difflib.get_close_matches(wrong, possible, n=3, cutoff=0.0))
