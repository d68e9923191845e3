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
from dualwatch.report.summary import AttemptRecord
from dualwatch.report.view import View


def view_of(title: str, *, as_json: bool) -> View:
    """The view for a program, a terminal, or a file."""
    if as_json:
        from dualwatch.report.events import EventsView

        return EventsView()
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from dualwatch.report.live import LiveView

        return LiveView(title)
    from dualwatch.report.plain import PlainView

    return PlainView()


def farewell(records: Sequence[AttemptRecord], ended: RunEnded | None, folder: Path) -> None:
    """The result, on stdout; a terminal would break its lines within words."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in outcome.lines(records, ended, folder):
        for row in folded(line, width) if width else [line]:
            sys.stdout.write(row + "\n")
    sys.stdout.flush()
