"""Which view of a run is right for where its words go, and the last words."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from dualwatch.facts import RunEnded
from dualwatch.report import outcome
from dualwatch.report.columns import folded
from dualwatch.report.progress import is_watched
from dualwatch.report.summary import AttemptRecord
from dualwatch.report.view import View


def view_of(title: str, *, as_json: bool, quiet: bool = False) -> View:
    """The view for a program, for who wants to hear of trouble only, for a terminal or a file.

    A program gets every event, also where its user wants to read little.
    """
    if as_json:
        from dualwatch.report.events import EventsView

        return EventsView()
    if quiet:
        from dualwatch.report.quiet import QuietView

        return QuietView()
    if is_watched(sys.stderr):
        from dualwatch.report.live import LiveView

        return LiveView(title)
    from dualwatch.report.plain import PlainView

    return PlainView()


def farewell(records: Sequence[AttemptRecord], ended: RunEnded | None, folder: Path) -> None:
    """The result, on stdout; a terminal would break its lines within words."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    try:
        for line in outcome.lines(records, ended, folder):
            for row in folded(line, width) if width else [line]:
                sys.stdout.write(row + "\n")
        sys.stdout.flush()
    except OSError:
        # Nobody reads it, or it is a file on a full disk: the exit code says it all the same.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
