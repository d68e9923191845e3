"""Reads what the agents noted of the model's parts."""

from __future__ import annotations

import os
import re

from dualwatch.collectors.agent_files.records import LINE_LENGTH, RecordFiles
from dualwatch.core.text import clean
from dualwatch.events import ModelPart, ModelSeen
from dualwatch.protocol import ModelDocument, ModelPartDocument

MAX_PARTS = 200

_NAME = re.compile(r"model-\d{1,9}\.json")


class ModelFiles:
    """The records of one attempt; each is given once, and again when it has changed."""

    def __init__(self, attempt_dir: str | os.PathLike[str]) -> None:
        self._records = RecordFiles(attempt_dir, _NAME, ModelDocument)

    def poll(self, at: float, wall: float) -> list[ModelSeen]:
        """Records that are new since the last call, lowest rank first."""
        events = [
            ModelSeen(
                at=at,
                wall=wall,
                rank=record["rank"],
                parts=tuple(_part(part) for part in record["parts"][:MAX_PARTS]),
            )
            for record in self._records.poll()
            if record["rank"] >= 0 and not any(map(_is_negative, record["parts"]))
        ]
        return sorted(events, key=lambda event: event.rank)


def _part(part: ModelPartDocument) -> ModelPart:
    return ModelPart(
        path=clean(part["path"], LINE_LENGTH),
        kind=clean(part["kind"], LINE_LENGTH),
        parameters=part["parameters"],
        trainable=part["trainable"],
        optimised=part["optimised"],
    )


def _is_negative(part: ModelPartDocument) -> bool:
    return min(part["parameters"], part["trainable"], part["optimised"] or 0) < 0
