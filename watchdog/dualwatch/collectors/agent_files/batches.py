"""Reads what the agents noted of the batches and of the losses that came of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from dualwatch.collectors.agent_files.records import MAX_BYTES, RecordFiles, natural
from dualwatch.core.text import clean
from dualwatch.events import BatchSeen

__all__ = ["MAX_BYTES", "MAX_LINES", "BatchFiles"]

MAX_LINES = 100
LINE_LENGTH = 200

_NAME = re.compile(r"batch-\d{1,9}\.json")


class BatchFiles:
    """The records of one attempt; each is given once, and again when it has changed."""

    def __init__(self, attempt_dir: str | os.PathLike[str]) -> None:
        self._records = RecordFiles(attempt_dir, _NAME)

    def poll(self, at: float, wall: float) -> list[BatchSeen]:
        """Records that are new since the last call, lowest rank first."""
        events = [_fact(record, at, wall) for record in self._records.poll()]
        return sorted(
            (event for event in events if event is not None), key=lambda event: event.rank
        )


def _fact(record: Mapping[str, Any], at: float, wall: float) -> BatchSeen | None:
    rank, iteration = natural(record.get("rank")), natural(record.get("iteration"))
    outline, losses = _lines(record.get("outline")), _lines(record.get("losses"))
    if rank is None or iteration is None or outline is None or losses is None:
        return None
    return BatchSeen(
        at=at, wall=wall, rank=rank, iteration=iteration, outline=outline, losses=losses
    )


def _lines(value: Any) -> tuple[str, ...] | None:
    """Bounded, clean lines; None where that is no list of text. An absent list is not empty."""
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        return None
    return tuple(clean(line, LINE_LENGTH) for line in value[:MAX_LINES])
