"""Small JSON files that the agents replace as a whole: each is read when it has changed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

MAX_BYTES = 1 << 18

_Stamp = tuple[int, int, int]


class RecordFiles:
    """The records of one kind in an attempt's folder.

    Args:
        attempt_dir: The folder.
        name: What their file names match.
    """

    def __init__(self, attempt_dir: str | os.PathLike[str], name: re.Pattern[str]) -> None:
        self._folder = Path(attempt_dir)
        self._name = name
        self._known: dict[str, _Stamp] = {}

    def poll(self) -> list[dict[str, Any]]:
        """Those that are new since the last call.

        One that cannot be read, or is none, is tried again when its file has changed.
        """
        try:
            names = [name for name in os.listdir(self._folder) if self._name.fullmatch(name)]
        except OSError:
            return []
        return [record for name in names if (record := _record(self._changed(name))) is not None]

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


def _record(data: bytes | None) -> dict[str, Any] | None:
    if data is None:
        return None
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def natural(value: Any) -> int | None:
    """A number that counts something; None where it is none."""
    return value if type(value) is int and value >= 0 else None
