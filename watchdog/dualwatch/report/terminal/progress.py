"""A progress bar on stderr for what takes long; nothing where nobody sits in front of it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

from dualwatch.report.terminal.console import make, plain_text

Advance = Callable[[int, int], None]
"""Takes how many are done, and of how many; 0 of them where that is not known."""

REDRAWS = 5
"""A second: more is not seen, and costs what is waited for."""


def is_watched(stream: TextIO) -> bool:
    """Whether somebody sits in front of a stream who can be shown a line that changes."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def bar(what: str, stream: TextIO | None = None) -> Iterator[Advance]:
    """Shows how far something is, and takes the line away at the end, whatever ends it.

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
    except OSError:  # The terminal went away: what is being done goes on.
        yield lambda done, total: None
        return
    try:
        yield advance
    finally:
        with contextlib.suppress(OSError):
            progress.stop()
