"""The Trainer of Hugging Face transformers as ``frameworks.base`` asks for it.

It keeps no log: each ``checkpoint-N`` holds a ``trainer_state.json`` with the history so far. Its
scripts are plain Python trainings, and lines of its console are read by ``logs.plain_lines``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from dualwatch.core.metric_names import of_evaluation
from dualwatch.events import EvaluationLogged, Event, GoalAnnounced, IterationLogged
from dualwatch.frameworks.base import Framework

STATE = "trainer_state.json"
MOST_BYTES = 64 << 20

_BESIDE = ("epoch", "step", "total_flos")


class Transformers(Framework):
    """The adapter."""

    name = "transformers"

    def scalars(self, path: Path, newest: int) -> list[Event]:
        if path.name != STATE:
            return []
        return list(_events(path, newest))


def _events(path: Path, newest: int) -> Iterator[Event]:
    wall = path.stat().st_mtime
    with path.open("rb") as stream:
        data = stream.read(MOST_BYTES)
    try:
        state = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(state, Mapping) or not isinstance(state.get("log_history"), list):
        return
    total = state.get("max_steps")
    total = total if type(total) is int and total > 0 else None
    if total is not None:
        yield GoalAnnounced(at=0.0, wall=wall, iterations=total)
    for row in state["log_history"][-newest:]:
        event = _row(row, wall, total) if isinstance(row, Mapping) else None
        if event is not None:
            yield event


def _row(row: Mapping[str, object], wall: float, total: int | None) -> Event | None:
    step = row.get("step")
    if type(step) is not int:
        return None
    values = {
        str(key): float(value)
        for key, value in row.items()
        if isinstance(value, (int, float)) and key not in _BESIDE
    }
    if results := of_evaluation(values):
        return EvaluationLogged(
            at=0.0, wall=wall, mode="val", epoch=None, iteration=step, total=None, metrics=results
        )
    if "loss" not in values:
        return None  # The summary of the whole training.
    return IterationLogged(
        at=0.0, wall=wall, mode="train", epoch=None, iteration=step, total=total, metrics=values
    )
