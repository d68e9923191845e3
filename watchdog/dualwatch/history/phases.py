"""What a training was doing when: from its heartbeats, else from the lines of its log."""

from __future__ import annotations

from dualwatch.events import EvaluationLogged, Fact, IterationLogged, Milestone, Pulse
from dualwatch.history.model import Span
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
        self.spans: list[Span] = []
        self._attempt = 0
        self._rank: int | None = None

    def begin(self, attempt: int, wall: float) -> None:
        """A new attempt: it starts."""
        self._attempt, self._rank = attempt, None
        self._enter(STARTING, wall)

    def take(self, fact: Fact) -> None:
        """A fact of the training."""
        if isinstance(fact, Pulse):
            # One rank tells for all: those of a group do the same at the same time.
            self._rank = fact.rank if self._rank is None else self._rank
            if fact.rank == self._rank:
                self._enter(kind_of(fact.phase), fact.wall)
        elif self._rank is None:
            kind = _logged(fact)
            if kind is not None:
                self._enter(kind, fact.wall)

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
            self.spans.append(Span(self._attempt, kind, wall, wall))


def _logged(fact: Fact) -> str | None:
    if isinstance(fact, IterationLogged):
        return TRAINING if fact.mode == "train" else VALIDATING
    if isinstance(fact, EvaluationLogged):
        return TRAINING
    if isinstance(fact, Milestone):
        phase = AFTER_MILESTONE.get(fact.name)
        return kind_of(phase) if phase is not None else None
    return None
