"""What a training did when: from its heartbeats, else from the lines of its log."""

from __future__ import annotations

from dataclasses import dataclass

from dualwatch.events import EvaluationLogged, Event, HeartbeatRead, IterationLogged, LogMilestone
from dualwatch.protocol import STARTUP_PHASES, Phase
from dualwatch.state.pauses import AFTER_MILESTONE

STARTING, TRAINING, VALIDATING, METRICS, SAVING = (
    "starting",
    "training",
    "validation",
    "computing metrics",
    "saving",
)
KINDS = (STARTING, TRAINING, VALIDATING, METRICS, SAVING)

_KIND = {
    **dict.fromkeys(STARTUP_PHASES, STARTING),
    Phase.WAITING: TRAINING,
    Phase.STEP: TRAINING,
    Phase.VAL_WAITING: VALIDATING,
    Phase.VAL_STEP: VALIDATING,
    Phase.METRICS: METRICS,
    Phase.SAVING: SAVING,
    Phase.FINISHED: "",
}

MOST = 4000
"""Spans of a run; later ones are left out."""


@dataclass(slots=True)
class PhaseSpan:
    """A time in which the training did one thing.

    Attributes:
        what: A word of ``KINDS``.
    """

    attempt: int
    what: str
    start: float
    end: float


def kind_of(phase: str) -> str:
    """The kind of a phase, "" for the end of the training."""
    return _KIND.get(phase, "")


class Phases:
    """Folds one attempt after the other into spans."""

    def __init__(self) -> None:
        self.spans: list[PhaseSpan] = []
        self._attempt = 0
        self._rank: int | None = None

    def begin(self, attempt: int, wall: float) -> None:
        """Begins an attempt."""
        self._attempt, self._rank = attempt, None
        self._enter(STARTING, wall)

    def take(self, event: Event) -> None:
        """Folds an event of the training."""
        if isinstance(event, HeartbeatRead):
            # One rank is enough: all ranks do the same at the same time.
            self._rank = event.rank if self._rank is None else self._rank
            if event.rank == self._rank:
                self._enter(kind_of(event.phase), event.wall)
        elif self._rank is None:
            kind = _logged(event)
            if kind is not None:
                self._enter(kind, event.wall)

    def end(self, wall: float) -> None:
        """Ends the newest span."""
        if self.spans:
            self.spans[-1].end = max(self.spans[-1].end, wall)

    def _enter(self, kind: str, wall: float) -> None:
        last = self.spans[-1] if self.spans else None
        if last is not None and last.attempt == self._attempt:
            last.end = max(last.end, wall)
            if last.what == kind:
                return
        if len(self.spans) < MOST:
            self.spans.append(PhaseSpan(self._attempt, kind, wall, wall))


def _logged(event: Event) -> str | None:
    if isinstance(event, IterationLogged):
        return TRAINING if event.mode == "train" else VALIDATING
    if isinstance(event, EvaluationLogged):
        return TRAINING
    if isinstance(event, LogMilestone):
        phase = AFTER_MILESTONE.get(event.name)
        return kind_of(phase) if phase is not None else None
    return None
