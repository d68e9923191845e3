"""Chooses the view of a run for its output stream, and prints the closing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from dualwatch.history.run import RunHistory
from dualwatch.report.run.view import View
from dualwatch.report.terminal import closing
from dualwatch.report.terminal.console import silence
from dualwatch.report.terminal.progress import is_watched
from dualwatch.report.terminal.wrapping import folded


def view_of(title: str, *, as_json: bool, quiet: bool = False) -> View:
    """The view for a program, for ``--quiet``, for a terminal or for a file.

    ``as_json`` wins over ``quiet``: a program gets every event.
    """
    if as_json:
        from dualwatch.report.run.json_lines import EventsView

        return EventsView()
    if quiet:
        from dualwatch.report.run.quiet import QuietView

        return QuietView()
    if is_watched(sys.stderr):
        from dualwatch.report.run.live import LiveView

        return LiveView(title)
    from dualwatch.report.run.plain import PlainView

    return PlainView()


def print_closing(
    run: RunHistory, folder: Path, *, resume: Sequence[str] = (), resume_call: str = ""
) -> None:
    """Prints the result to stdout; on a terminal its lines are broken between words.

    The command that resumes stays one line, so that it can be copied.

    Args:
        resume: Words of the command that resumes an interrupted run; empty where none does.
        resume_call: What the training's script calls to resume; "" where a command resumes it.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    try:
        lines = list(
            closing.lines(run.over, run.ended, folder, resume=resume, resume_call=resume_call)
        )
        command = lines.pop() if resume or resume_call else ""
        rows = [row for line in lines for row in (folded(line, width) if width else [line])]
        sys.stdout.write("\n".join([*rows, command]).rstrip("\n") + "\n")
        sys.stdout.flush()
    except OSError:
        # The reader is gone or the disk is full: the exit code still has the result.
        silence(sys.stdout)
