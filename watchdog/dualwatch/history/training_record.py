"""What the checklist needs of a training: its first lines, its first hour, its epochs. A view.

It covers all attempts of a run, and a log of any length in bounded memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import ClassVar

from dualwatch.events import (
    AttemptStarted,
    EvaluationLogged,
    Event,
    IterationLogged,
    LinesScreened,
    ObserverPaused,
    ProgressShown,
)
from dualwatch.history.run import AttemptHistory
from dualwatch.rules.metrics.metrics import is_called
from dualwatch.state import metric_series

EARLY_LINES = 128
"""Training lines that are kept whole from the very first on."""

OPENING_S = 3600.0
OPENING_POINTS = 1000
"""Values of the first hour that are kept of a metric; of more, every second is dropped."""

TAIL = 10
"""Lines whose median is a metric's level at the end of an epoch."""

EPOCHS = 200


@dataclass(frozen=True, slots=True)
class Sample:
    """One value in one training line.

    Attributes:
        iteration: Counted from the very first one.
        place: Where the line has it, for people.
    """

    at: float
    iteration: int
    value: float
    place: str = ""


@dataclass(slots=True)
class Opening:
    """The values of a metric in the first hour, evenly thinned."""

    samples: list[Sample] = field(default_factory=list)
    stride: int = 1
    _passed: int = 0

    def take(self, sample: Sample) -> None:
        """Keeps a value if its turn has come."""
        self._passed += 1
        if self._passed % self.stride:
            return
        self.samples.append(sample)
        if len(self.samples) > OPENING_POINTS:
            del self.samples[::2]
            self.stride *= 2

    def until(self, at: float) -> list[Sample]:
        """Those up to a moment."""
        return [sample for sample in self.samples if sample.at <= at]


@dataclass(slots=True)
class Epoch:
    """One epoch, or one span between two evaluations where a training counts no epochs.

    Attributes:
        tails: The newest values of each followed metric.
        evaluation: What its evaluation gave, None where there was none so far.
    """

    tails: dict[str, deque[float]] = field(default_factory=dict)
    evaluation: Mapping[str, float] | None = None
    evaluated_at: float | None = None


@dataclass(slots=True)
class TrainingRecord:
    """A training from its first line to its newest.

    Attributes:
        begun_at: When its first attempt or its log began; None where that is not known.
        timed: Whether its events have times of their own: rows of scalars have none.
        has_gaps: Whether something of it was not seen, or not kept: a log of gigabytes.
        early: The first training lines.
        epochs: By number, the first of them and the newest.
    """

    begun_at: float | None = None
    timed: bool = True
    has_gaps: bool = False
    lines: int = 0
    early: list[IterationLogged] = field(default_factory=list)
    newest: IterationLogged | None = None
    opening: dict[str, Opening] = field(default_factory=dict)
    epochs: dict[int, Epoch] = field(default_factory=dict)
    _evaluations: int = 0

    kinds: ClassVar[tuple[type[Event], ...]] = (
        AttemptStarted,
        IterationLogged,
        EvaluationLogged,
        LinesScreened,
        ObserverPaused,
        ProgressShown,
    )

    def take(self, event: Event, attempt: AttemptHistory | None = None) -> None:
        """Folds one more event, in the order of time."""
        if isinstance(event, AttemptStarted):
            self.begun_at = event.at if self.begun_at is None else self.begun_at
        elif isinstance(event, IterationLogged) and event.mode == "train":
            self._line(event)
        elif isinstance(event, EvaluationLogged) and event.metrics:
            self._evaluation(event)
        elif isinstance(event, LinesScreened):
            self.lines += event.lines
        elif isinstance(event, ProgressShown):
            line = event.line
            if line is not None and (self.newest is None or self.newest.bar):
                self._line(line)
        elif isinstance(event, ObserverPaused):
            self.has_gaps = True

    @property
    def first(self) -> IterationLogged | None:
        """The first training line."""
        return self.early[0] if self.early else None

    @property
    def newest_epoch(self) -> int:
        """Number of the newest epoch that a line or an evaluation belongs to; 0 before any."""
        return max(self.epochs, default=0)

    @property
    def begins_late(self) -> bool:
        """Whether the record begins in the midst of a training: resumed, or a log that was cut."""
        if len(self.early) < 2:
            return self.first is not None and (self.first.epoch or 1) > 1
        first, second = (metric_series.done(line) for line in self.early[:2])
        return first > 1.5 * max(1, second - first) and first > 1

    def line_at(self, iteration: int) -> IterationLogged | None:
        """The first training line at or after an iteration, among the early ones."""
        return next((line for line in self.early if metric_series.done(line) >= iteration), None)

    def named(self, name: str) -> list[Sample]:
        """The opening of a metric, with or without the folder of its tag."""
        found = (o.samples for key, o in self.opening.items() if is_called(key, name))
        return next(found, [])

    def evaluated(self, number: int, name: str) -> float | None:
        """A metric of an epoch's evaluation."""
        epoch = self.epochs.get(number)
        found = (epoch.evaluation or {}).items() if epoch is not None else ()
        return next((value for key, value in found if is_called(key, name)), None)

    def level(self, number: int, name: str) -> float | None:
        """The level of a metric of the training lines at the end of an epoch."""
        epoch = self.epochs.get(number)
        found = epoch.tails.items() if epoch is not None else ()
        return next((median(tail) for key, tail in found if is_called(key, name) and tail), None)

    # --- steps -----------------------------------------------------------------------------------

    def _line(self, event: IterationLogged) -> None:
        self.lines += 1
        self.newest = event
        if len(self.early) < EARLY_LINES:
            self.early.append(event)
        begun = self.begun_at if self.begun_at is not None else self.early[0].at
        opens = event.at - begun <= OPENING_S
        place = metric_series.place(event)
        epoch = self._epoch(event.epoch if event.epoch is not None else self._evaluations + 1)
        for name, value in event.metrics.items():
            if not metric_series.is_followed(name):
                continue
            if opens:
                sample = Sample(event.at, metric_series.done(event), value, place)
                self.opening.setdefault(name, Opening()).take(sample)
            epoch.tails.setdefault(name, deque(maxlen=TAIL)).append(value)

    def _evaluation(self, event: EvaluationLogged) -> None:
        self._evaluations += 1
        epoch = self._epoch(event.epoch if event.epoch is not None else self._evaluations)
        epoch.evaluation, epoch.evaluated_at = event.metrics, event.at

    def _epoch(self, number: int) -> Epoch:
        if number not in self.epochs:
            if len(self.epochs) >= EPOCHS:
                del self.epochs[max(self.epochs)]
            self.epochs[number] = Epoch()
        return self.epochs[number]
