"""Reads how the weights that were loaded fit the model, as the agents noted it."""

from __future__ import annotations

import os
import re

import msgspec

from dualwatch.collectors.agent_files.records import LINE_LENGTH, RecordFiles, lines
from dualwatch.core.text import clean
from dualwatch.events import WeightsLoaded, WeightsPart
from dualwatch.protocol.model import WeightsDocument, WeightsPartDocument

MAX_PARTS = 100

_NAME = re.compile(r"weights-\d{1,9}\.json")


class WeightsFiles:
    """The records of one attempt; each is given once, and again when it has changed."""

    def __init__(self, attempt_dir: str | os.PathLike[str]) -> None:
        self._records = RecordFiles(attempt_dir, _NAME, WeightsDocument)

    def poll(self, at: float, wall: float) -> list[WeightsLoaded]:
        """Records that are new since the last call."""
        return [
            WeightsLoaded(
                at=at,
                wall=wall,
                rank=record["rank"],
                keys=record["keys"],
                missing=record["missing"],
                reshaped=record["reshaped"],
                unexpected=record["unexpected"],
                parts=tuple(_part(part) for part in record["parts"][:MAX_PARTS]),
                strangers=lines(record["strangers"]),
            )
            for record in self._records.poll()
            if record["rank"] >= 0
        ]


def _part(part: WeightsPartDocument) -> WeightsPart:
    return msgspec.convert({**part, "path": clean(part["path"], LINE_LENGTH)}, WeightsPart)
