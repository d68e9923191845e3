"""Reads what the agents noted of the batches and of the losses that came of them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from dualwatch.facts import BatchSeen
from dualwatch.parse.text import clean

MAX_BYTES = 1 << 18
MAX_LINES = 100
LINE_LENGTH = 200

_NAME = re.compile(r"batch-\d{1,9}\.json")

_Stamp = tuple[int, int, int]


class Batches:
    """The records of one attempt; each is given once, and again when it has changed."""

    def __init__(self, attempt_dir: str | os.PathLike[str]) -> None:
        self._folder = Path(attempt_dir)
        self._known: dict[str, _Stamp] = {}

    def poll(self, at: float, wall: float) -> list[BatchSeen]:
        """Records that are new since the last call, lowest rank first.

        A record that cannot be read, or is none, is tried again when its file has changed.
        """
        try:
            names = [name for name in os.listdir(self._folder) if _NAME.fullmatch(name)]
        except OSError:
            return []
        seen = []
        for name in names:
            record = self._changed(name)
            fact = _fact(record, at, wall) if record is not None else None
            if fact is not None:
                seen.append(fact)
        return sorted(seen, key=lambda fact: fact.rank)

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


def _fact(data: bytes, at: float, wall: float) -> BatchSeen | None:
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    rank, iteration = record.get("rank"), record.get("iteration")
    if type(rank) is not int or type(iteration) is not int or rank < 0 or iteration < 0:
        return None
    outline, losses = _lines(record.get("outline")), _lines(record.get("losses"))
    if outline is None or losses is None:
        return None
    return BatchSeen(
        at=at, wall=wall, rank=rank, iteration=iteration, outline=outline, losses=losses
    )


def _lines(value: Any) -> tuple[str, ...] | None:
    """Bounded, clean lines; None where that is no list of text. An absent list is not empty."""
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        return None
    return tuple(clean(line, LINE_LENGTH) for line in value[:MAX_LINES])
