"""Rows of ``vis_data/scalars.json`` and ``vis_data/<timestamp>.json``, one object a line.

They are JSON but for bare ``NaN`` and ``Infinity``, which Python's reader takes.
"""

from __future__ import annotations

from dualwatch.core.metric_names import without_mode
from dualwatch.events import EvaluationLogged, Event, IterationLogged
from dualwatch.frameworks.mmengine.logs.columns import COUNTERS
from dualwatch.frameworks.mmengine.logs.scalars_rows import read_row


class ScalarsParser:
    """Reads rows in their order, since a validation row does not say where the run stands.

    ``iteration`` of a training row is the count over the whole run, in epoch-based loops too:
    the rows do not tell the length of an epoch.
    """

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._iteration = 0

    def feed(self, line: str, at: float, wall: float) -> Event | None:
        """The event that one row states; None for a row that is cut off or no object of numbers."""
        row = read_row(line)
        if row is None:
            return None
        iteration = _count(row.get("iter"))
        if iteration is None:
            return self._evaluation(row, at, wall)
        self._epoch, self._iteration = _count(row.get("epoch")), iteration
        return IterationLogged(
            at=at,
            wall=wall,
            mode="train",
            epoch=self._epoch,
            iteration=iteration,
            total=None,
            metrics=_metrics(row, "train"),
        )

    def _evaluation(self, row: dict[str, float], at: float, wall: float) -> Event | None:
        mode = "test" if any(key.startswith("test/") for key in row) else "val"
        metrics = _metrics(row, mode)
        if not metrics:
            return None
        # `step` is the epoch in epoch-based loops, and 0 or the iteration in the others.
        step = _count(row.get("step")) or 0
        by_iterations = self._epoch is None and self._iteration > 0
        return EvaluationLogged(
            at=at,
            wall=wall,
            mode=mode,
            epoch=None if by_iterations else (step or self._epoch),
            iteration=(step or self._iteration) if by_iterations else self._iteration,
            total=None,
            metrics=metrics,
        )


def parse_row(line: str, at: float, wall: float) -> Event | None:
    """One row by itself; see ``ScalarsParser`` for what only a sequence of rows can tell."""
    return ScalarsParser().feed(line, at, wall)


def _metrics(row: dict[str, float], mode: str) -> dict[str, float]:
    return {without_mode(key, mode): value for key, value in row.items() if key not in COUNTERS}


def _count(value: float | None) -> int | None:
    """A counter of a row; versions write 5 or 5.0."""
    if value is None or not 0 <= value < 1e18:  # not true of NaN either
        return None
    return int(value)
