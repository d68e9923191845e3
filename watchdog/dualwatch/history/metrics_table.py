"""Every training line and evaluation of a run in columns, for curves and CSV. A view."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from dualwatch.events import EvaluationLogged, Event, IterationLogged
from dualwatch.history.run import AttemptHistory

EPOCHS, ITERATIONS = "epoch", "iteration"
"""What an axis counts."""

MOST_LAYOUTS = 64


@dataclass(slots=True)
class Column:
    """A metric: the rows that have it, and its values there."""

    rows: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))


_Layout = list[tuple[Callable[[int], None], Callable[[float], None]]]


@dataclass(slots=True)
class MetricsTable:
    """Rows in the order in which they were logged.

    Attributes:
        evaluations: Whether a row is the result of an evaluation.
        epochs, totals: 0 where the line has none.
        stretches: Iterations of a row for one of the user's own configuration.
        columns: By the name of the metric, in the order of their first appearance.
        training: Whether a row is a line of the training loop.
        trained: How many of them there are.
        counts_epochs: Whether each of these has an epoch and its number of iterations.
    """

    attempts: array[int] = field(default_factory=lambda: array("q"))
    walls: array[float] = field(default_factory=lambda: array("d"))
    modes: list[str] = field(default_factory=list)
    evaluations: bytearray = field(default_factory=bytearray)
    epochs: array[int] = field(default_factory=lambda: array("q"))
    iterations: array[int] = field(default_factory=lambda: array("q"))
    totals: array[int] = field(default_factory=lambda: array("q"))
    stretches: array[int] = field(default_factory=lambda: array("q"))
    columns: dict[str, Column] = field(default_factory=dict)
    training: bytearray = field(default_factory=bytearray)
    trained: int = 0
    counts_epochs: bool = True
    _layouts: dict[tuple[str, ...], _Layout] = field(default_factory=dict)

    kinds: ClassVar[tuple[type[Event], ...]] = (IterationLogged, EvaluationLogged)

    def __len__(self) -> int:
        return len(self.walls)

    def take(self, event: Event, attempt: AttemptHistory) -> None:
        """Appends a line."""
        if isinstance(event, (IterationLogged, EvaluationLogged)):
            self.add(event, attempt.number, attempt.stretch)

    def add(
        self, event: IterationLogged | EvaluationLogged, attempt: int, stretch: int = 1
    ) -> None:
        """Appends a line."""
        row = len(self.walls)
        is_evaluation = isinstance(event, EvaluationLogged)
        self.attempts.append(attempt)
        self.walls.append(event.wall)
        self.modes.append(event.mode)
        self.evaluations.append(is_evaluation)
        self.epochs.append(event.epoch or 0)
        self.iterations.append(event.iteration)
        self.totals.append(event.total or 0)
        self.stretches.append(stretch)
        if event.mode == "train" and not is_evaluation:
            self.trained += 1
            self.counts_epochs = self.counts_epochs and bool(event.epoch and event.total)
            self.training.append(1)
        else:
            self.training.append(0)
        metrics = event.metrics
        layout = self._layouts.get(tuple(metrics)) or self._layout(tuple(metrics))
        for (note, keep), value in zip(layout, metrics.values(), strict=True):
            note(row)
            keep(value)

    def _layout(self, names: tuple[str, ...]) -> _Layout:
        """Lines of one kind name the same metrics in the same order: looked up once."""
        columns = [self.columns.setdefault(name, Column()) for name in names]
        layout = [(column.rows.append, column.values.append) for column in columns]
        if len(self._layouts) < MOST_LAYOUTS:
            self._layouts[names] = layout
        return layout

    def axis(self) -> str:
        """What the rows can be placed by."""
        return EPOCHS if self.trained and self.counts_epochs else ITERATIONS

    def places(self, axis: str) -> array[float]:
        """The place of each row on an axis; of an evaluation that of the line before it."""
        places = array("d")
        last = 0.0
        for row in range(len(self.walls)):
            epoch, total = self.epochs[row], self.totals[row]
            if self.training[row]:
                if axis == EPOCHS:
                    last = epoch - 1 + self.iterations[row] / max(1, total)
                else:
                    done = self.iterations[row] + (epoch - 1) * total if epoch and total else None
                    last = (self.iterations[row] if done is None else done) / self.stretches[row]
                places.append(last)
            elif axis == EPOCHS and self.evaluations[row] and epoch and self.modes[row] == "val":
                places.append(float(epoch))
            else:
                places.append(last)
        return places
