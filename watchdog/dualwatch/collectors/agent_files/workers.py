"""Reads the steps that the agents take with the workers of loaders that were replaced."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from dualwatch.core.text import clean
from dualwatch.events import WorkersChanged
from dualwatch.logs.tail import Tail
from dualwatch.protocol import workers

LENGTH = 300

_STEP = msgspec.json.Decoder(workers.StepDocument)


class WorkersFiles:
    """The steps of one attempt, of all ranks; each is given once.

    Args:
        from_end: Start with the next line: an earlier supervisor has read the present ones.
    """

    def __init__(self, attempt_dir: str | os.PathLike[str], *, from_end: bool = False) -> None:
        self._folder = Path(attempt_dir)
        self._tails: dict[str, Tail] = {}
        if from_end:
            for path in self._folder.glob(workers.steps_file("*")):
                self._tails[path.name] = Tail(path, from_end=True)

    def poll(self, at: float, wall: float) -> list[WorkersChanged]:
        """Steps that are new since the last call, oldest first."""
        for path in self._folder.glob(workers.steps_file("*")):
            self._tails.setdefault(path.name, Tail(path))
        lines = [line for tail in self._tails.values() for line in tail.poll()]
        events = [_event(line, at, wall) for line in lines]
        return [event for event in events if event is not None]


def _event(line: str, at: float, wall: float) -> WorkersChanged | None:
    try:
        step = _STEP.decode(line)
    except (ValueError, RecursionError):
        return None
    if step["step"] not in workers.WORKERS_STEPS:
        return None
    step["detail"] = clean(step["detail"], LENGTH)
    step["reason"] = clean(step["reason"], LENGTH)
    return WorkersChanged(at=at, wall=wall, **step)
