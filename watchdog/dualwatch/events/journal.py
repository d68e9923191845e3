"""The journal: every event of a run, append-only, one JSON object a line.

It is the single source of all views, survives a cut last line, and is written in one ``write``
call an event, so that a reader never sees half of one but the last.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import os
import re
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dualwatch import events
from dualwatch.core.errors import DISK_FULL, code_of

SCHEMA_VERSION = 1

_KINDS_OF_VERSION_1 = {
    events.LogMilestone: "milestone",
    events.HeartbeatRead: "pulse",
    events.CommandAnswered: "order-answered",
}
"""Kinds whose class has another name today: what was published stays."""

_KINDS: dict[str, type[events.Event]] = {
    _KINDS_OF_VERSION_1.get(kind, re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()): kind
    for kind in events.Event.__subclasses__()
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def encode(event: events.Event) -> dict[str, Any]:
    """An event as a JSON-able dictionary with its ``kind`` first."""
    return {"kind": _NAMES[type(event)], **plain(event)}


def decode(data: dict[str, Any]) -> events.Event | None:
    """An event from its dictionary; None for a kind that this version does not know."""
    kind = _KINDS.get(data.get("kind", ""))
    return None if kind is None else _build(kind, data)


def plain(value: Any) -> Any:
    """Facts, findings and all they hold as dictionaries, lists and words."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no NaN: written as its name, read back as a number.
    if isinstance(value, events.Severity):
        return value.word
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def _build(kind: type[Any], data: dict[str, Any]) -> Any:
    plan = _plan(kind)
    return kind(
        **{
            name: value if (restore := plan[name]) is None else restore(value)
            for name, value in data.items()
            if name in plan
        }
    )


_Restore = Callable[[Any], Any]

_PLANS: dict[type[Any], dict[str, _Restore | None]] = {}
"""Name -> how JSON's value becomes that of the field, None where they are the same. Worked out once
for a class, since a night has many facts."""


def _plan(kind: type[Any]) -> dict[str, _Restore | None]:
    if kind not in _PLANS:
        hints = typing.get_type_hints(kind)
        _PLANS[kind] = {f.name: _restorer(hints[f.name]) for f in dataclasses.fields(kind)}
    return _PLANS[kind]


def _restorer(hint: Any) -> _Restore | None:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = next(_restorer(one) for one in arguments if one is not type(None))
        return None if inner is None else lambda value: None if value is None else inner(value)
    if origin is tuple:
        item = _restorer(arguments[0])
        return tuple if item is None else lambda value: tuple([item(one) for one in value])
    if origin is dict and arguments[1] is float:
        return lambda value: {key: float(item) for key, item in value.items()}
    if hint is events.Severity:
        return lambda value: events.Severity[value.upper()]
    if dataclasses.is_dataclass(hint):
        kind = typing.cast(Any, hint)
        return lambda value: _build(kind, value) if isinstance(value, dict) else value
    return None


class Journal:
    """Appends facts to ``journal.jsonl``.

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
        text = json.dumps(encode(event), ensure_ascii=False, default=str) + "\n"
        line = text.encode("utf-8", "backslashreplace")
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


def newest(path: Path, kind: type[events.Event]) -> int:
    """Offset of the newest event of a kind, 0 where there is none; found from the end."""
    wanted = b'{"kind": "%s"' % _NAMES[kind].encode()
    with path.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        overlap = b""
        while end > 0:
            start = max(0, end - _BLOCK)
            stream.seek(start)
            block = stream.read(end - start) + overlap
            found = block.rfind(b"\n" + wanted)
            if found >= 0:
                return start + found + 1
            overlap, end = block[: len(wanted) + 1], start
    return 0


_BLOCK = 4 << 20


def read(path: Path, start: int = 0) -> Iterator[events.Event]:
    """Facts of a journal in their order; a cut or damaged line is passed over.

    Args:
        start: Offset of a line, as ``newest`` gives it.
    """
    with path.open("rb") as stream:
        stream.seek(start)
        for line in stream:
            event = fact_of(line)
            if event is not None:
                yield event


def fact_of(line: bytes) -> events.Event | None:
    """The event of a line; None where it is cut, damaged, or of a kind that is not known here."""
    try:
        data = json.loads(line.decode("utf-8"))
        return decode(data) if isinstance(data, dict) else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def name_of(kind: type[events.Event]) -> str:
    """What a kind of event is called in the journal."""
    return _NAMES[kind]
