"""Reads the metrics that the agent records for trainings whose log has no known format."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dualwatch import protocol
from dualwatch.core.text import clean
from dualwatch.events import EvaluationLogged, IterationLogged
from dualwatch.logs.tail import Tail

MAX_METRICS = 500
LENGTH = 200


class MetricsFile:
    """The metrics of one attempt; each line is given once.

    Args:
        from_end: Start with the next line: an earlier supervisor has read the present ones.
    """

    def __init__(self, attempt_dir: str | os.PathLike[str], *, from_end: bool = False) -> None:
        self._tail = Tail(Path(attempt_dir) / protocol.METRICS_FILE, from_end=from_end)

    def poll(self, at: float, wall: float) -> list[IterationLogged | EvaluationLogged]:
        """Lines that are new since the last call, oldest first."""
        events = [_event(line, at, wall) for line in self._tail.poll()]
        return [event for event in events if event is not None]


def _event(line: str, at: float, wall: float) -> IterationLogged | EvaluationLogged | None:
    try:
        data: Any = json.loads(line)
        mode, total = str(data["mode"]), data["total"]
        values = list(data["metrics"].items())[:MAX_METRICS]
        kind = IterationLogged if mode == "train" else EvaluationLogged
        return kind(
            at=at,
            wall=wall,
            mode=mode,
            epoch=int(data["epoch"]),
            iteration=int(data["iteration"]),
            total=int(total) if total is not None else None,
            metrics={clean(str(name), LENGTH): float(value) for name, value in values},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
