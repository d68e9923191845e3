"""Reads a finished or a foreign log in one pass: bounded in memory and in time, any encoding."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from dualwatch.events import Event, LogClock
from dualwatch.logs.encodings import LineDecoder
from dualwatch.logs.formats import LineFormat
from dualwatch.logs.kept_start import LogStart
from dualwatch.logs.timestamps import has_stamp
from dualwatch.logs.whole import WholeLog
from dualwatch.logs.wrapped import Joiner, width

HEAD_BYTES = 2 << 20
"""Bytes that are read from the beginning whatever the time: environment, configuration, hooks."""

LAST_BYTES = 64 << 20
"""Bytes that are read from the end of a log that is too long for the time given, at most ..."""

LEAST_BYTES = 1 << 20
"""... and at least."""

NAMES = 3
"""The file and folders above it whose names may hold the time of the start."""

_BLOCK = 1 << 18
_PATIENCE = 0.25
"""Share of the time after which the speed is known: the first lines take longest."""

_HASTE = 0.8
"""Share of the time left that is planned with: the machine may become slower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRead:
    """What a log holds.

    Attributes:
        starts: The starts of trainings that it holds, oldest first; at least one. Of a long one
            the first and the newest events; an ``ObserverPaused`` replaces what is between.
        dropped: Still older starts, of which nothing is kept.
        tail: The last lines.
        size: Bytes of the file.
        encoding: Of its text.
        complete: Whether all of it was read; of a huge log only the beginning and the end are.
        first_wall, last_wall: Times of its first and last stamp, of the file where it has none.
        clock: What is known of its times. A year that the log does not show is guessed by the
            file's own time, for the order of things only.
    """

    path: Path
    starts: tuple[LogStart, ...]
    dropped: int
    tail: tuple[str, ...]
    size: int
    encoding: str
    complete: bool
    first_wall: float
    last_wall: float
    clock: LogClock

    @property
    def events(self) -> tuple[Event, ...]:
        """The events of all its starts."""
        return tuple(event for start in self.starts for event in start.events)

    @property
    def head(self) -> tuple[str, ...]:
        """The first lines of its newest start: environment, configuration, hooks."""
        return self.starts[-1].head


def read_log(path: Path, formats: Sequence[LineFormat], *, deadline: float) -> LogRead:
    """Reads a log, gzipped or not.

    Args:
        formats: See ``console.ConsoleParser``.
        deadline: Seconds that it may take. What cannot be read within them is left out between
            the beginning and the end, of a gzipped one at the end.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        names = path.absolute().parts[-NAMES:]
        log, decoder = WholeLog(status.st_mtime, formats, names), LineDecoder()
        zipped = path.suffix == ".gz"
        blocks = _unzipped(file, deadline) if zipped else _blocks(file, status.st_size, deadline)
        complete = True
        joiner: Joiner | None = None
        for number, block in enumerate(blocks):
            if block is None:
                complete = False
                decoder.leap()
                log.leap()
                continue
            lines = decoder.feed(block)
            if not number:
                columns = width(lines, has_stamp)
                joiner = Joiner(columns) if columns else None
            log.take(joiner.feed(lines) if joiner is not None else lines)
        log.take([*joiner.feed(decoder.close()), *joiner.close()] if joiner else decoder.close())
    starts = tuple(replace(start, path=path, clock=log.clock) for start in log.starts())
    return LogRead(
        path=path,
        starts=starts,
        dropped=log.dropped,
        tail=tuple(log.tail),
        size=status.st_size,
        encoding=decoder.encoding or "utf-8",
        complete=complete,
        first_wall=log.first_wall if log.first_wall is not None else log.last_wall,
        last_wall=log.last_wall,
        clock=log.clock,
    )


def _blocks(file: BinaryIO, size: int, deadline: float) -> Iterator[bytes | None]:
    """The bytes of a file in their order; None where some are left out for want of time."""
    begun = time.monotonic()
    offset = read = 0
    while offset < size:
        block = file.read(min(_BLOCK, size - offset))
        if not block:
            return  # It was cut while we read it.
        offset += len(block)
        read += len(block)
        yield block
        if offset < HEAD_BYTES:
            continue
        spent = max(time.monotonic() - begun, 1e-6)
        if spent < _PATIENCE * deadline:
            continue
        affordable = read / spent * (deadline - spent)
        if size - offset > max(affordable, LEAST_BYTES):
            last = min(max(affordable * _HASTE, LEAST_BYTES), LAST_BYTES)
            # An even number of bytes, for a character of UTF-16 has two.
            offset += (size - offset - int(last)) // 2 * 2
            file.seek(offset)
            yield None


def _unzipped(file: BinaryIO, deadline: float) -> Iterator[bytes | None]:
    """The bytes of a gzipped file; None at the end where it is damaged or too long."""
    until = time.monotonic() + deadline
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            while block := stream.read(_BLOCK):
                yield block
                if time.monotonic() > until:
                    yield None
                    return
    except (EOFError, zlib.error, gzip.BadGzipFile):
        yield None
