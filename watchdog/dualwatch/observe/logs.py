"""Reads a finished or a foreign log in one pass: bounded in memory and in time, any encoding."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dualwatch.facts import Fact
from dualwatch.parse.console import ConsoleParser
from dualwatch.parse.stamp import logged_at
from dualwatch.parse.text import decode_line

TAIL = 50
HEAD_BYTES = 2 << 20
LAST_BYTES = 64 << 20
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRead:
    """What a log holds.

    Attributes:
        facts: With the wall times of their lines; ``at`` counts from the first of them.
        head: The first lines: environment, configuration, hooks.
        tail: The last whole lines.
        complete: Whether all of it was read; of a huge log only the beginning and the end are.
        first_wall, last_wall: Times of its first and last stamp, of the file where it has none.
    """

    path: Path
    facts: tuple[Fact, ...]
    head: tuple[str, ...]
    tail: tuple[str, ...]
    size: int
    encoding: str
    complete: bool
    first_wall: float
    last_wall: float


def read_log(path: Path, *, deadline: float) -> LogRead:
    """Reads a log.

    Args:
        deadline: Seconds after which it is read no further.

    Raises:
        OSError: It cannot be read.
    """
    until = time.monotonic() + deadline
    size, modified = os.stat(path)[6], os.stat(path).st_mtime
    with _opened(path) as stream:
        start = stream.read(4)
        encoding = _encoding(start)
        reader = _Reader(modified)
        stream.seek(0)
        whole = isinstance(stream, gzip.GzipFile) or size <= HEAD_BYTES + LAST_BYTES
        for line in _lines(stream, encoding, None if whole else HEAD_BYTES, until):
            reader.take(line)
        if not whole:
            stream.seek(size - LAST_BYTES)
            # The first line is cut by where we begin.
            later = _lines(stream, encoding, None, until)
            next(later, None)
            for line in later:
                reader.take(line)
    late = time.monotonic() >= until
    return reader.done(path, size, encoding, complete=whole and not late)


class _Reader:
    """Facts of the lines, with the time of the last stamp before each."""

    def __init__(self, modified: float) -> None:
        self._modified = modified
        self._parser = ConsoleParser()
        self._facts: list[Fact] = []
        self._head: list[str] = []
        self._head_chars = 0
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._first: float | None = None
        self._wall = modified

    def take(self, line: str) -> None:
        """One whole line."""
        stamp = logged_at(line, before=self._modified)
        if stamp is not None:
            if self._first is None:
                self._first = stamp
            self._wall = max(stamp, self._first)
        at = self._wall - (self._first if self._first is not None else self._wall)
        self._facts += self._parser.feed(line, at, self._wall)
        self._tail.append(line)
        if self._head_chars < HEAD_BYTES:
            self._head.append(line)
            self._head_chars += len(line) + 1

    def done(self, path: Path, size: int, encoding: str, *, complete: bool) -> LogRead:
        """All of it."""
        first = self._first if self._first is not None else self._modified
        self._facts += self._parser.close(self._wall - first, self._wall)
        return LogRead(
            path=path,
            facts=tuple(self._facts),
            head=tuple(self._head),
            tail=tuple(self._tail),
            size=size,
            encoding=encoding,
            complete=complete,
            first_wall=first,
            last_wall=self._wall,
        )


def _opened(path: Path) -> BinaryIO | gzip.GzipFile:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _encoding(start: bytes) -> str:
    """PowerShell's ``>`` writes UTF-16; all others are told line by line (``decode_line``)."""
    if start.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if start.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    return "utf-8"


def _lines(
    stream: BinaryIO | gzip.GzipFile, encoding: str, limit: int | None, until: float
) -> Iterator[str]:
    """Whole lines, bounded in length; a last one without an end counts."""
    if encoding != "utf-8":
        text = io.TextIOWrapper(stream, encoding=encoding, errors="replace")
        for line in text:
            yield decode_line(line.lstrip("\ufeff").rstrip("\r\n").encode("utf-8", "replace"))
            if time.monotonic() >= until:
                break
        text.detach()
        return
    read = 0
    partial = b""
    while block := stream.read(min(_BLOCK, limit - read) if limit is not None else _BLOCK):
        read += len(block)
        *whole, partial = (partial + block).split(b"\n")
        for piece in whole:
            yield decode_line(piece.removesuffix(b"\r"))
        if time.monotonic() >= until:
            return
    if partial:
        yield decode_line(partial)
