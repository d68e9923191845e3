"""Reads which losses were not finite, as the agents noted it."""

from __future__ import annotations

import os
import re

import msgspec

from dualwatch.collectors.agent_files.records import LINE_LENGTH, RecordFiles, lines
from dualwatch.core.text import clean
from dualwatch.events import NonFiniteSeen, NonFiniteTerm
from dualwatch.protocol.model import NonFiniteDocument, NonFiniteTermDocument

MAX_TERMS = 20

_NAME = re.compile(r"non-finite-\d{1,9}\.json")


class NonFiniteFiles:
    """The records of one attempt; each is given once, and again when it has changed."""

    def __init__(self, attempt_dir: str | os.PathLike[str]) -> None:
        self._records = RecordFiles(attempt_dir, _NAME, NonFiniteDocument)

    def poll(self, at: float, wall: float) -> list[NonFiniteSeen]:
        """Records that are new since the last call, lowest rank first."""
        events = [
            NonFiniteSeen(
                at=at,
                wall=wall,
                rank=record["rank"],
                iteration=record["iteration"],
                running=record["running"],
                terms=tuple(_term(term) for term in record["terms"][:MAX_TERMS]),
                weights_at=record["weights_at"],
                weights=lines(record["weights"]) if record["weights"] is not None else None,
                files=lines(record["files"]),
                unsound=lines(record["unsound"]),
            )
            for record in self._records.poll()
            if record["rank"] >= 0
        ]
        return sorted(events, key=lambda event: event.rank)


def _term(term: NonFiniteTermDocument) -> NonFiniteTerm:
    texts = {name: clean(term[name], LINE_LENGTH) for name in ("name", "value")}
    return msgspec.convert({**term, **texts}, NonFiniteTerm)
