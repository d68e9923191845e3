"""What runs left besides a log, as the starts of a log: rows of scalars, TensorBoard's event files.

Of the runs before the newest one of a work dir the ends are read: how they ended is reported.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from dualwatch import frameworks
from dualwatch.diagnose import log_starts
from dualwatch.events import Event
from dualwatch.logs import reader
from dualwatch.logs.kept_start import LogStart
from dualwatch.logs.ranks import joined
from dualwatch.logs.reader import LogRead
from dualwatch.tensorboard import curves

ROWS = 20_000
"""Training rows that are folded, the newest."""

EARLIER = 8
"""Runs before the newest one that are looked at."""

EARLIER_ROWS = 200

MOST_RANKS = 16
"""Logs of other ranks that are read."""


def is_rows(path: Path) -> bool:
    """Whether a file that a run left holds its scalars and not its lines."""
    return path.suffix == ".json" or curves.is_event_file(path)


def read_rows(path: Path, newest: int = ROWS) -> list[Event]:
    """The events of a file of scalars. Rows have no times, and get that of the file.

    Args:
        newest: So many training rows are given, and every evaluation.

    Raises:
        OSError: It cannot be read.
    """
    if curves.is_event_file(path):
        return curves.read(path, newest)
    return [event for one in frameworks.installed() for event in one.scalars(path, newest)]


def read_log(path: Path, ranks: Sequence[Path], seconds: float) -> LogRead:
    """A log, with what the other ranks of the same start died of by their own logs.

    Args:
        seconds: All that it may take; of several logs the first one has most of it.

    Raises:
        OSError: It cannot be read.
    """
    until = time.monotonic() + seconds
    first = reader.read_log(path, frameworks.line_formats(), deadline=seconds)
    others: list[LogRead] = []
    for one in ranks[:MOST_RANKS]:
        left = until - time.monotonic()
        if left <= 0:
            break
        with contextlib.suppress(OSError):
            others.append(reader.read_log(one, frameworks.line_formats(), deadline=left))
    return joined(first, others)


def read_earlier(paths: Sequence[Path], seconds: float) -> list[LogStart]:
    """The starts in the logs of the newest of some earlier runs, oldest first.

    Args:
        seconds: All that it may take; the newest come first, and what comes too late is left out.
    """
    found: list[LogStart] = []
    until = time.monotonic() + seconds
    for path in list(reversed(paths))[:EARLIER]:
        left = until - time.monotonic()
        if left <= 0:
            break
        try:
            if is_rows(path):
                starts = log_starts.of_rows(read_rows(path, EARLIER_ROWS), path)
            else:
                starts = reader.read_log(path, frameworks.line_formats(), deadline=left).starts
        except OSError:
            continue
        found = [*starts, *found]
    return found
