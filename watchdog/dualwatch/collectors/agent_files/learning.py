"""Reads what the agents noted of the model's parts in steps of the optimizer."""

from __future__ import annotations

import os
import re

import msgspec

from dualwatch.collectors.agent_files.records import LINE_LENGTH, RecordFiles
from dualwatch.core.text import clean
from dualwatch.events import LearningSeen, PartLearning
from dualwatch.protocol.model import LearningDocument, LearningPartDocument

MAX_PARTS = 201

_NAME = re.compile(r"learning-\d{1,9}\.json")


class LearningFiles:
    """The records of one attempt; each is given once, and again when it has changed."""

    def __init__(self, attempt_dir: str | os.PathLike[str]) -> None:
        self._records = RecordFiles(attempt_dir, _NAME, LearningDocument)

    def poll(self, at: float, wall: float) -> list[LearningSeen]:
        """Records that are new since the last call, lowest rank first."""
        events = [
            LearningSeen(
                at=at,
                wall=wall,
                rank=record["rank"],
                first=record["first"],
                iteration=record["iteration"],
                steps=record["steps"],
                cleared=record["cleared"],
                uncleared=record["uncleared"],
                parts=tuple(_part(part) for part in record["parts"][:MAX_PARTS]),
            )
            for record in self._records.poll()
            if record["rank"] >= 0
        ]
        return sorted(events, key=lambda event: event.rank)


def _part(part: LearningPartDocument) -> PartLearning:
    texts = {name: clean(part[name], LINE_LENGTH) for name in ("path", "kind")}
    return msgspec.convert({**part, **texts}, PartLearning)
