"""Which view of a run is right for where its words go, and the last words."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from dualwatch.history.run import RunHistory
from dualwatch.report.run.view import View
from dualwatch.report.terminal import closing
from dualwatch.report.terminal.progress import is_watched
from dualwatch.report.terminal.wrapping import folded


def view_of(title: str, *, as_json: bool, quiet: bool = False) -> View:
    """The view for a program, for who wants to hear of trouble only, for a terminal or a file.

    A program gets every event, also where its user wants to read little.
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


def print_closing(run: RunHistory, folder: Path, *, resume_with: str = "") -> None:
    """The result, on stdout; a terminal would break its lines within words."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    try:
        for line in closing.lines(run.over, run.ended, folder, resume_with=resume_with):
            for row in folded(line, width) if width else [line]:
                sys.stdout.write(row + "\n")
        sys.stdout.flush()
    except OSError:
        # Nobody reads it, or it is a file on a full disk: the exit code says it all the same.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
