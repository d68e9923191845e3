"""Small JSON files that the agents replace as a whole: each is read when it has changed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from dualwatch.core.text import clean

MAX_BYTES = 1 << 18
MAX_LINES = 100
LINE_LENGTH = 200

T = TypeVar("T")
_Stamp = tuple[int, int, int]


class RecordFiles(Generic[T]):
    """The records of one kind in an attempt's folder.

    Args:
        attempt_dir: The folder.
        name: What their file names match.
        form: A document of ``protocol``.
    """

    def __init__(
        self, attempt_dir: str | os.PathLike[str], name: re.Pattern[str], form: type[T]
    ) -> None:
        self._folder = Path(attempt_dir)
        self._name = name
        self._form = msgspec.json.Decoder(form)
        self._known: dict[str, _Stamp] = {}

    def poll(self) -> list[T]:
        """Those that are new since the last call.

        One that cannot be read, or is of another form, is tried again when its file has changed.
        """
        try:
            names = [name for name in os.listdir(self._folder) if self._name.fullmatch(name)]
        except OSError:
            return []
        return [record for name in names if (record := self._record(name)) is not None]

    def _record(self, name: str) -> T | None:
        data = self._changed(name)
        try:
            return self._form.decode(data) if data is not None else None
        except (ValueError, RecursionError):
            return None

    def _changed(self, name: str) -> bytes | None:
        """A record's bytes where its file is not the one that was read last."""
        try:
            with open(self._folder / name, "rb") as file:
                status = os.fstat(file.fileno())
                # The agent puts a new file in the place of the old one.
                stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
                if self._known.get(name) == stamp:
                    return None
                data = file.read(MAX_BYTES + 1)
        except OSError:
            return None
        self._known[name] = stamp
        return data if len(data) <= MAX_BYTES else None


def lines(texts: list[str], most: int = MAX_LINES, length: int = LINE_LENGTH) -> tuple[str, ...]:
    """Text of the training as clean lines, bounded in number and length."""
    return tuple(clean(text, length) for text in texts[:most])
