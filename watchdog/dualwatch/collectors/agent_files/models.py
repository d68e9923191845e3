"""Reads what the agents noted of the model's parts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from dualwatch.collectors.agent_files.records import RecordFiles, natural
from dualwatch.core.text import clean
from dualwatch.events import ModelPart, ModelSeen

MAX_PARTS = 200
LENGTH = 200

_NAME = re.compile(r"model-\d{1,9}\.json")


class ModelFiles:
    """The records of one attempt; each is given once, and again when it has changed."""

    def __init__(self, attempt_dir: str | os.PathLike[str]) -> None:
        self._records = RecordFiles(attempt_dir, _NAME)

    def poll(self, at: float, wall: float) -> list[ModelSeen]:
        """Records that are new since the last call, lowest rank first."""
        events = [_fact(record, at, wall) for record in self._records.poll()]
        return sorted(
            (event for event in events if event is not None), key=lambda event: event.rank
        )


def _fact(record: Mapping[str, Any], at: float, wall: float) -> ModelSeen | None:
    rank, listed = natural(record.get("rank")), record.get("parts")
    if rank is None or not isinstance(listed, list):
        return None
    parts = [_part(one) for one in listed[:MAX_PARTS]]
    told = tuple(part for part in parts if part is not None)
    # Half a model would look like one without its contrastive head.
    return ModelSeen(at=at, wall=wall, rank=rank, parts=told) if len(told) == len(parts) else None


def _part(record: Any) -> ModelPart | None:
    if not isinstance(record, Mapping):
        return None
    path, kind = record.get("path"), record.get("kind")
    every, trainable = natural(record.get("parameters")), natural(record.get("trainable"))
    optimised = natural(record.get("optimised"))
    is_told = optimised is not None or record.get("optimised", 0) is None
    if not isinstance(path, str) or not isinstance(kind, str) or not is_told:
        return None
    if every is None or trainable is None:
        return None
    return ModelPart(
        path=clean(path, LENGTH),
        kind=clean(kind, LENGTH),
        parameters=every,
        trainable=trainable,
        optimised=optimised,
    )
