"""Reads what the agents noted of the batches and of the losses that came of them."""

from __future__ import annotations

import os
import re

from dualwatch.collectors.agent_files.records import RecordFiles, lines
from dualwatch.events import BatchSeen, UnusualBatch
from dualwatch.protocol import BatchDocument, UnusualBatchDocument

_NAME = re.compile(r"batch-\d{1,9}\.json")


MOST_UNUSUAL = 8


class BatchFiles:
    """The records of one attempt; each is given once, and again when it has changed."""

    def __init__(self, attempt_dir: str | os.PathLike[str]) -> None:
        self._records = RecordFiles(attempt_dir, _NAME, BatchDocument)

    def poll(self, at: float, wall: float) -> list[BatchSeen]:
        """Records that are new since the last call, lowest rank first."""
        events = [
            BatchSeen(
                at=at,
                wall=wall,
                rank=record["rank"],
                iteration=record["iteration"],
                outline=lines(record["outline"]),
                losses=lines(record["losses"]),
                logged=lines(record["logged"]) if record.get("logged") else None,
                unusual=tuple(map(_unusual, record.get("unusual", ())[-MOST_UNUSUAL:])),
            )
            for record in self._records.poll()
            if record["rank"] >= 0 and record["iteration"] >= 0
        ]
        return sorted(events, key=lambda event: event.rank)


def _unusual(record: UnusualBatchDocument) -> UnusualBatch:
    return UnusualBatch(
        iteration=record["iteration"],
        empty=lines(record["empty"]),
        missing=lines(record["missing"]),
    )
