"""Turns Typer's errors on a command line into ``DualwatchError``.

Typer keeps its error classes in private modules that move between versions, so they are recognised
by their attributes and not by their names.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from dualwatch.core.errors import DualwatchError, Exit, nearest


def translated(
    error: Exception, words: Sequence[str], commands: Collection[str]
) -> DualwatchError | None:
    """The usage error of a command line; None where the error is something else.

    Args:
        words: The command line.
        commands: Names of all commands.
    """
    message = getattr(error, "format_message", None)
    if message is None or getattr(error, "exit_code", None) != Exit.USAGE:
        return None
    context: Any = getattr(error, "ctx", None)
    called = [word for word in words[:1] if word in commands]
    place = context.command_path if context is not None else " ".join(["dualwatch", *called])
    alike = _alike(error, context)
    # Several of Typer's messages hold a list on lines of its own.
    what = " ".join(str(getattr(error, "message", "") if alike else message()).split()).rstrip(".")
    return DualwatchError(
        what[:1].lower() + what[1:],
        why=f"{place} has no such option; the nearest: {alike}" if alike else "",
        do=f"`{place} --help` lists what it takes, with examples",
    )


def is_help(error: Exception) -> bool:
    """Whether the command line was empty, which is answered with the help."""
    return type(error).__name__ == "NoArgsIsHelpError"


def _alike(error: Exception, context: Any) -> str:
    """The options of the command that are most like the unknown one; Typer's own list is short."""
    wrong = str(getattr(error, "option_name", ""))
    parameters = context.command.get_params(context) if context is not None and wrong else ()
    known = [word for one in parameters for word in (*one.opts, *one.secondary_opts)]
    options = [word for word in known if word.startswith("--")]
    return ", ".join(nearest(wrong, options, most=3, cutoff=0.6))
