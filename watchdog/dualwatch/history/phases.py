"""What a training was doing when: from its heartbeats, else from the lines of its log."""

from __future__ import annotations

from dualwatch.events import EvaluationLogged, Event, HeartbeatRead, IterationLogged, LogMilestone
from dualwatch.history.model import PhaseSpan
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
"""Spans of a run; beyond them the short ones between two of the same kind are passed over."""


def kind_of(phase: str) -> str:
    """The kind of a phase; "" for one in which nothing goes on."""
    return _KIND.get(phase, "")


class Phases:
    """Folds one attempt after the other into spans."""

    def __init__(self) -> None:
        self.spans: list[PhaseSpan] = []
        self._attempt = 0
        self._rank: int | None = None

    def begin(self, attempt: int, wall: float) -> None:
        """A new attempt: it starts."""
        self._attempt, self._rank = attempt, None
        self._enter(STARTING, wall)

    def take(self, event: Event) -> None:
        """An event of the training."""
        if isinstance(event, HeartbeatRead):
            # One rank tells for all: those of a group do the same at the same time.
            self._rank = event.rank if self._rank is None else self._rank
            if event.rank == self._rank:
                self._enter(kind_of(event.phase), event.wall)
        elif self._rank is None:
            kind = _logged(event)
            if kind is not None:
                self._enter(kind, event.wall)

    def end(self, wall: float) -> None:
        """Nothing more is known of the attempt."""
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
