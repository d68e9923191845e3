"""A progress bar on stderr; nothing without a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

from dualwatch.report.terminal.console import make, plain_text

Advance = Callable[[int, int], None]
"""Takes the number done and the total; a total of 0 is unknown."""

REDRAWS = 5
"""Per second."""


def is_watched(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can redraw a line."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def bar(what: str, stream: TextIO | None = None) -> Iterator[Advance]:
    """Shows progress, and removes the line at the end.

    Example:
        ``with bar("comparing pairs") as advance: advance(done, total)``

    Args:
        what: What is being done, in a few words.
        stream: stderr by default.
    """
    stream = stream or sys.stderr
    if not is_watched(stream):
        yield lambda done, total: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=make(stream),
        transient=True,
        refresh_per_second=REDRAWS,
    )
    task = progress.add_task(plain_text(what), total=None)

    def advance(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total or None)

    try:
        progress.start()
    except OSError:  # The terminal is gone; the work continues.
        yield lambda done, total: None
        return
    try:
        yield advance
    finally:
        with contextlib.suppress(OSError):
            progress.stop()
