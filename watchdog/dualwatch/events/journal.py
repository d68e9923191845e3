"""The journal: every event of a run, append-only, one JSON object a line.

It is the single source of all views, survives a cut last line, and is written in one ``write``
call an event, so that a reader never sees half of one but the last.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Union

import msgspec

from dualwatch import events
from dualwatch.core import json_codec
from dualwatch.core.errors import DISK_FULL, code_of

SCHEMA_VERSION = 1

_EVENTS: msgspec.json.Decoder[events.Event] = msgspec.json.Decoder(
    Union[tuple(events.Event.__subclasses__())],  # noqa: UP007
    strict=False,
)


class Header(msgspec.Struct, frozen=True):
    """What every event has: enough to know whether the rest of its line is wanted."""

    kind: str = ""
    wall: float | None = None


_HEADERS = msgspec.json.Decoder(Header)
_LAST_BYTES = 1 << 20


class Journal:
    """Appends events to ``journal.jsonl``.

    Writing never stops a run: when the disk is full the event is lost, and ``lost`` counts it.

    Args:
        path: The file; created readable by its owner only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost = 0
        self.lost_because = ""
        self.lost_code: str | None = None
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._stream = os.fdopen(descriptor, "ab", buffering=0)
        self._cut = _ends_in_half_a_line(path)

    def append(self, event: events.Event) -> None:
        """Writes one event."""
        line = json_codec.encode(event) + b"\n"
        if self._cut:
            line = b"\n" + line  # Ends the half line, so that it costs no other event.
        try:
            written = self._stream.write(line)
        except OSError as error:
            self._lose(error.strerror or str(error), code_of(error))
            return
        self._cut = written != len(line)
        if self._cut:
            self._lose("the disk is full", DISK_FULL)

    def _lose(self, because: str, code: str | None) -> None:
        self.lost += 1
        self.lost_because, self.lost_code = because, code

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()


def _ends_in_half_a_line(path: Path) -> bool:
    """Whether an earlier writer was killed in the middle of a line."""
    with path.open("rb") as stream:
        # A device such as /dev/full can be opened, and has no end to look at.
        if not path.is_file() or stream.seek(0, os.SEEK_END) == 0:
            return False
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) != b"\n"


def read(path: Path, start: int = 0) -> Iterator[events.Event]:
    """Events of a journal in their order; a cut or damaged line is passed over.

    Args:
        start: Offset of a line, as ``newest`` gives it.
    """
    with path.open("rb") as stream:
        stream.seek(start)
        for line in stream:
            event = event_of(line)
            if event is not None:
                yield event


def event_of(line: bytes) -> events.Event | None:
    """The event of a line; None where it is cut, damaged, or of an unknown kind."""
    try:
        return json_codec.decode(line, _EVENTS)
    except (ValueError, RecursionError):
        return None


def header_of(line: bytes) -> Header:
    """The head of a line's event; an empty one where the line is cut or damaged."""
    try:
        return _HEADERS.decode(line)
    except (ValueError, RecursionError):
        return Header()


def newest(path: Path, kind: type[events.Event]) -> int:
    """Offset of the newest event of a kind, 0 where there is none."""
    found = offset = 0
    with path.open("rb") as stream:
        for line in stream:
            if header_of(line).kind == kind.__struct_config__.tag:
                found = offset
            offset += len(line)
    return found


def ends(path: Path, start: int = 0) -> tuple[events.Event, ...]:
    """The first event and the last one from an offset on; () where there is none."""
    first = next(read(path, start), None)
    if first is None:
        return ()
    lines = _last_lines(path, start)
    last = next((one for line in reversed(lines) if (one := event_of(line)) is not None), first)
    return first, last


def span(path: Path, start: int = 0) -> float:
    """Seconds between the first event and the last one of a journal; 0 where it holds none."""
    with path.open("rb") as stream:
        stream.seek(start)
        first = next((wall for line in stream if (wall := header_of(line).wall) is not None), None)
    walls = [header_of(line).wall for line in _last_lines(path, start)]
    last = next((wall for wall in reversed(walls) if wall is not None), None)
    return max(0.0, last - first) if first is not None and last is not None else 0.0


def _last_lines(path: Path, start: int) -> list[bytes]:
    """The newest lines from an offset on; the first of them may be cut."""
    with path.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(start, end - _LAST_BYTES))
        return stream.read().splitlines()
