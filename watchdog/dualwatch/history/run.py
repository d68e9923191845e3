"""The fold of a whole run over its events, oldest first.

One attempt is folded by ``state.snapshot``. What is costly for a long journal is a view, filled in
the same pass for the commands that need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from dualwatch.events import (
    Action,
    AgentReported,
    AttemptEnded,
    AttemptStarted,
    CommandAnswered,
    ConfigRead,
    Decided,
    EvaluationLogged,
    Event,
    Finding,
    FindingRaised,
    HeartbeatRead,
    IterationLogged,
    LogMilestone,
    NotObserved,
    ProgressShown,
    RerunStep,
    RunEnded,
    RunStarted,
    TriedStep,
)
from dualwatch.history.withheld import WithheldDecisions
from dualwatch.rules import ranking
from dualwatch.state.snapshot import Snapshot, advance, advance_lines

LINES_AT_ONCE = 1000
"""Training lines of a long journal that are folded together: that costs a third."""


class AttemptHistory:
    """One attempt of a run.

    Attributes:
        number: 0 for the first, and for a log, which has no attempts.
        begun: Wall time of its start or, in a log, of its first event; 0 before any.
        findings: In the order in which they were raised; a finding may be raised again.
        step: The remedy that it was started with, None for the user's own configuration.
        newest: Wall time of its newest event.
        lost_iterations: Iterations that no checkpoint held when it ended, None where not known.
    """

    __slots__ = (
        "_lines",
        "_snapshot",
        "begun",
        "findings",
        "lost_iterations",
        "newest",
        "number",
        "step",
    )

    def __init__(
        self,
        number: int = 0,
        *,
        begun: float = 0.0,
        step: RerunStep | None = None,
        snapshot: Snapshot | None = None,
        findings: Iterable[Finding] = (),
        lost_iterations: int | None = None,
    ) -> None:
        self.number = number
        self.begun = begun
        self.step = step
        self.findings = list(findings)
        self.lost_iterations = lost_iterations
        self.newest = 0.0
        self._snapshot = snapshot or Snapshot()
        self._lines: list[IterationLogged] = []

    @property
    def snapshot(self) -> Snapshot:
        """What is known of it after its newest event."""
        if self._lines:
            self._snapshot, self._lines = advance_lines(self._snapshot, self._lines), []
        return self._snapshot

    @snapshot.setter
    def snapshot(self, snapshot: Snapshot) -> None:
        self._snapshot, self._lines = snapshot, []

    @property
    def ranked(self) -> list[Finding]:
        """Its findings, likeliest cause first."""
        return ranking.rank(self.findings)

    @property
    def stretch(self) -> int:
        """Its iterations for one iteration of the user's own configuration."""
        return self.step.stretch if self.step is not None else 1

    @property
    def started(self) -> AttemptStarted | None:
        """How it was started, None for a log."""
        return self.snapshot.started

    @property
    def ended(self) -> AttemptEnded | None:
        """How it ended, None where no end is on record."""
        return self.snapshot.ended

    @property
    def ended_wall(self) -> float | None:
        """When it ended, None where no end is on record."""
        return self.ended.wall if self.ended is not None else None

    def advance(self, event: Event, lines_at_once: int) -> None:
        """Folds one more event into the snapshot."""
        self.newest = max(self.newest, event.wall)
        if lines_at_once > 1 and type(event) is IterationLogged and event.mode == "train":
            self._lines.append(event)
            if len(self._lines) < lines_at_once:
                return
            self.snapshot = self.snapshot
        else:
            self._snapshot = advance(self.snapshot, event)


class HistoryView(Protocol):
    """Part of a history that only some commands need."""

    @property
    def kinds(self) -> tuple[type[Event], ...]:
        """The events that it is made of."""

    def take(self, event: Event, attempt: AttemptHistory) -> None:
        """Folds one more event; ``attempt`` includes it."""


class RunHistory:
    """One run.

    Args:
        views: Filled in the same pass.
        lines_at_once: Training lines that are folded together; more than 1 where the
            snapshot is not read between them.

    Attributes:
        attempt: The newest attempt; what was seen before the first one.
        attempts: All that began, oldest first.
        tried: Reruns that were started, oldest first.
        next_step: The remedy under which the next attempt starts.
        findings: Of all attempts, in the order in which they were raised.
        config: The newest configuration that was read.
        versions: Software of the training by name.
        not_observed: What could not be looked at -> why.
        withheld: What would have been done, had stalls not been reported only.
    """

    def __init__(self, views: Sequence[HistoryView] = (), *, lines_at_once: int = 1) -> None:
        self.started: RunStarted | None = None
        self.ended: RunEnded | None = None
        self.attempt = AttemptHistory()
        self.attempts: list[AttemptHistory] = []
        self.tried: list[TriedStep] = []
        self.next_step: RerunStep | None = None
        self.findings: list[Finding] = []
        self.config: ConfigRead | None = None
        self.versions: dict[str, str] = {}
        self.not_observed: dict[str, str] = {}
        self.withheld = WithheldDecisions()
        self._pending: Decided | None = None
        self._lines_at_once = lines_at_once
        self._views: dict[type[Event], list[Callable[[Event, AttemptHistory], None]]] = {}
        self.watch(views)

    def watch(self, views: Iterable[HistoryView]) -> None:
        """Fills further views from the next event on."""
        for view in views:
            for kind in view.kinds:
                self._views.setdefault(kind, []).append(view.take)

    def take(self, event: Event) -> None:
        """Folds one more event, in the order of time."""
        kind = type(event)
        if kind in _STEPS:
            _STEPS[kind](self, event)
        if kind not in _OF_THE_RUN:
            self.attempt.advance(event, self._lines_at_once)
        if self.withheld.is_open or kind is Decided:
            self.withheld.take(event, self.attempt.snapshot)
        for view in self._views.get(kind, ()):
            view(event, self.attempt)

    @property
    def snapshot(self) -> Snapshot:
        """Of the newest attempt."""
        return self.attempt.snapshot

    @property
    def earlier_findings(self) -> list[Finding]:
        """Findings raised before the newest attempt."""
        return self.findings[: len(self.findings) - len(self.attempt.findings)]

    @property
    def over(self) -> list[AttemptHistory]:
        """The attempts whose end is on record."""
        return [attempt for attempt in self.attempts if attempt.ended is not None]

    # --- steps -------------------------------------------------------------------------------

    def _run_started(self, event: RunStarted) -> None:
        self.started = event

    def _run_ended(self, event: RunEnded) -> None:
        self.ended = event

    def _attempt_started(self, event: AttemptStarted) -> None:
        if self._pending is not None:
            self.tried.append(TriedStep(cause=self._pending.cause, step=self._pending.step))
            self._pending = None
        self._begin(AttemptHistory(event.attempt, begun=event.wall, step=self.next_step))

    def _begin(self, attempt: AttemptHistory) -> None:
        self.attempt = attempt
        self.attempts.append(attempt)

    def _trained(self, event: Event) -> None:
        """A log has no start of an attempt: its first line of a training begins the only one."""
        if not self.attempts:
            self.attempt.begun = event.wall
            self._begin(self.attempt)

    def _decided(self, event: Decided) -> None:
        if event.action == Action.RERUN.value:
            self._pending = event
            self.next_step = RerunStep(
                name=event.step,
                changes=event.changes,
                stretch=event.stretch,
                environment=event.environment,
                older_checkpoint=event.older_checkpoint,
            )

    def _finding(self, event: FindingRaised) -> None:
        self.findings.append(event.finding)
        self.attempt.findings.append(event.finding)

    def _config(self, event: ConfigRead) -> None:
        self.config = event

    def _agent(self, event: AgentReported) -> None:
        self.versions |= event.versions

    def _unseen(self, event: NotObserved) -> None:
        self.not_observed[event.what] = event.why


def fold(events: Iterable[Event]) -> RunHistory:
    """The history of some events, oldest first."""
    run = RunHistory()
    for event in events:
        run.take(event)
    return run


_STEPS: dict[type[Event], Callable[[RunHistory, Any], None]] = {
    RunStarted: RunHistory._run_started,
    RunEnded: RunHistory._run_ended,
    AttemptStarted: RunHistory._attempt_started,
    Decided: RunHistory._decided,
    FindingRaised: RunHistory._finding,
    ConfigRead: RunHistory._config,
    AgentReported: RunHistory._agent,
    NotObserved: RunHistory._unseen,
    IterationLogged: RunHistory._trained,
    EvaluationLogged: RunHistory._trained,
    ProgressShown: RunHistory._trained,
    HeartbeatRead: RunHistory._trained,
    LogMilestone: RunHistory._trained,
    CommandAnswered: RunHistory._trained,
}
_OF_THE_RUN = (RunStarted, RunEnded)
KINDS = tuple(_STEPS)
"""Events that the fold itself is made of; the snapshot is made of more."""
