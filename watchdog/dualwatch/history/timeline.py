"""When what happened in a run: marks, stalls with their processes, phases. A view."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dualwatch.core import units
from dualwatch.core.text import clean
from dualwatch.events import (
    Action,
    AttemptEnded,
    AttemptStarted,
    CommandAnswered,
    Decided,
    EvaluationLogged,
    Event,
    FindingRaised,
    GpusSampled,
    HeartbeatRead,
    HostSampled,
    IterationLogged,
    LogMilestone,
    ObserverPaused,
    ProcessesSampled,
    Severity,
    StacksCaptured,
    WorkersChanged,
)
from dualwatch.history.phases import Phases, PhaseSpan
from dualwatch.history.run import KINDS, AttemptHistory
from dualwatch.history.workers import workers_text
from dualwatch.protocol import AgentCommand
from dualwatch.state.activity import Activity, measure
from dualwatch.state.snapshot import STALLS

_ENDS = (Action.RERUN, Action.GIVE_UP, Action.STOP)

MOST_MARKS = 2000
MOST_SCENES = 8
"""Stalls whose processes are kept; more of them repeat each other."""

TOGETHER_S = 5.0
"""Findings within so many seconds of a stall belong to it."""


class MarkKind(str, enum.Enum):
    """What happened at a mark."""

    FINDING = "finding"
    REPLACED = "replaced"
    DECISION = "decision"
    CHECKPOINT = "checkpoint"
    RERUN = "rerun"
    END = "end"
    PAUSED = "paused"


@dataclass(slots=True)
class TimelineMark:
    """Something that happened at one moment."""

    wall: float
    attempt: int
    kind: MarkKind
    text: str
    severity: str = "info"


@dataclass(slots=True)
class StallHistory:
    """A silence that was raised as a stall.

    Attributes:
        since: Wall time of the last progress.
        raised: When it was raised.
        until: When the training moved again or its attempt ended, None where neither was seen.
        codes: What was found, the stall itself and its causes.
        response: What was done, None where nothing was.
        recovered: Whether the training continued in the same process.
        row: Row of the metrics table before it, -1 before any.
        processes, stacks, activity: The process tree at that time.
    """

    attempt: int
    since: float
    raised: float
    until: float | None = None
    codes: list[str] = field(default_factory=list)
    response: Action | None = None
    recovered: bool = False
    row: int = -1
    processes: ProcessesSampled | None = None
    stacks: StacksCaptured | None = None
    activity: Activity | None = None


class Timeline:
    """Marks, stalls and phases of a run.

    Attributes:
        first, last: Wall times of the first and the last event; 0 before any.
        first_rows: Attempt -> number of its first row in the metrics table.
    """

    def __init__(self) -> None:
        self.first = 0.0
        self.last = 0.0
        self.marks: list[TimelineMark] = []
        self.stalls: list[StallHistory] = []
        self.first_rows: dict[int, int] = {}
        self._phases = Phases()
        self._attempt: AttemptHistory | None = None
        self._rows = 0
        self._progress = 0.0
        self._stall: StallHistory | None = None
        self._trees: list[ProcessesSampled] = []
        self._stacks: StacksCaptured | None = None
        self._recent: list[FindingRaised] = []

    @property
    def kinds(self) -> tuple[type[Event], ...]:
        """What it is made of."""
        return tuple({*KINDS, *_STEPS, GpusSampled, HostSampled})

    def take(self, event: Event, attempt: AttemptHistory) -> None:
        """Folds one more event."""
        self.first = event.wall if not self.first else min(self.first, event.wall)
        self.last = max(self.last, event.wall)
        if attempt is not self._attempt and attempt.begun:
            self._begin(attempt)
        step = _STEPS.get(type(event))
        if step is not None:
            step(self, event)

    @property
    def spans(self) -> list[PhaseSpan]:
        """The phases, oldest first."""
        if self._attempt is not None and self._attempt.ended is None:
            self._phases.end(self.last)
        return [span for span in self._phases.spans if span.what and span.end > span.start]

    # --- the attempts ------------------------------------------------------------------------

    def _begin(self, attempt: AttemptHistory) -> None:
        self._attempt, self._stall = attempt, None
        self._trees, self._stacks, self._progress = [], None, attempt.begun
        self.first_rows[attempt.number] = self._rows
        self._phases.begin(attempt.number, attempt.begun)

    def _attempt_started(self, event: AttemptStarted) -> None:
        if len(self.first_rows) > 1:
            self._mark(event, MarkKind.RERUN, f"attempt {event.attempt} started")

    def _attempt_ended(self, event: AttemptEnded) -> None:
        if self._attempt is None:
            return
        self._phases.end(event.wall)
        if self._stall is not None:
            self._stall.until, self._stall = event.wall, None
        self._mark(event, MarkKind.END, f"attempt {event.attempt} ended: {_how(event)}")

    # --- the training ------------------------------------------------------------------------

    def _line(self, event: IterationLogged | EvaluationLogged) -> None:
        self._rows += 1
        self._moved(event)

    def _moved(self, event: Event) -> None:
        self._phases.take(event)
        self._progress = max(self._progress, event.wall)
        stall = self._stall
        # What moves after the decision to stop it is its end: a rescue checkpoint, its teardown.
        if stall is not None and event.wall > stall.raised and stall.response not in _ENDS:
            stall.until, stall.recovered, self._stall = event.wall, True, None

    def _milestone(self, event: LogMilestone) -> None:
        self._phases.take(event)
        if event.name in ("checkpoint-saving", "best-checkpoint-saved"):
            self._mark(event, MarkKind.CHECKPOINT, event.text)

    # --- findings and decisions --------------------------------------------------------------

    def _finding(self, event: FindingRaised) -> None:
        found = event.finding
        self._recent = [one for one in self._recent if event.wall - one.wall < TOGETHER_S]
        self._recent.append(event)
        if found.severity >= Severity.WARNING:
            text = f"{found.code} {found.name}: {found.headline}"
            self._mark(event, MarkKind.FINDING, text, found.severity.word)
        is_stall = found.code in STALLS and found.severity >= Severity.ERROR
        if is_stall and self._stall is None:  # Else the same stall is raised again.
            self._stall = self._stalled(event)
            self.stalls.append(self._stall)

    def _stalled(self, event: FindingRaised) -> StallHistory:
        codes = [one.finding.code for one in self._recent if one.finding.severity >= Severity.ERROR]
        stall = StallHistory(
            self._number,
            since=min(self._progress, event.wall),
            raised=event.wall,
            codes=list(dict.fromkeys(codes)),
            row=self._rows - 1,
        )
        if sum(one.processes is not None for one in self.stalls) < MOST_SCENES:
            stall.processes = self._trees[-1] if self._trees else None
            stall.stacks = self._stacks
            if len(self._trees) > 1:
                stall.activity = measure(self._trees[-2], self._trees[-1])
        return stall

    def _decided(self, event: Decided) -> None:
        if self._stall is not None:
            self._stall.response = _action(event.action)
        self._mark(event, MarkKind.DECISION, f"decision: {event.action}: {event.reason}")

    def _answered(self, event: CommandAnswered) -> None:
        at = f"at iteration {event.iteration}"
        if not event.done:
            text = f"order {event.order} not carried out: {event.why}"
            self._mark(event, MarkKind.DECISION, text)
        elif event.order == AgentCommand.REPLACE:
            self._mark(event, MarkKind.REPLACED, f"loader replaced in place {at}")
        elif event.order == AgentCommand.SAVE:
            self._mark(event, MarkKind.CHECKPOINT, f"rescue checkpoint {at}")

    def _workers(self, event: WorkersChanged) -> None:
        self._mark(event, MarkKind.REPLACED, workers_text(event))

    def _paused(self, event: ObserverPaused) -> None:
        text = f"dualwatch itself did not run for {event.seconds:.0f} s"
        self._mark(event, MarkKind.PAUSED, text, Severity.WARNING.word)

    # --- the machine -------------------------------------------------------------------------

    def _processes(self, event: ProcessesSampled) -> None:
        # The same sample may be in the journal twice.
        self._trees = [*[tree for tree in self._trees if tree.at < event.at][-1:], event]

    def _captured(self, event: StacksCaptured) -> None:
        self._stacks = event

    @property
    def _number(self) -> int:
        return self._attempt.number if self._attempt is not None else 0

    def _mark(self, event: Event, kind: MarkKind, text: str, severity: str = "info") -> None:
        if len(self.marks) < MOST_MARKS:
            mark = TimelineMark(event.wall, self._number, kind, clean(text, 400), severity)
            self.marks.append(mark)


def _action(word: str) -> Action | None:
    """None for an action of a later version."""
    return Action(word) if word in {action.value for action in Action} else None


def _how(event: AttemptEnded) -> str:
    if event.signal:
        return event.signal
    return units.exit_code(event.exit_code)


_STEPS: dict[type[Event], Callable[[Timeline, Any], None]] = {
    AttemptStarted: Timeline._attempt_started,
    AttemptEnded: Timeline._attempt_ended,
    IterationLogged: Timeline._line,
    EvaluationLogged: Timeline._line,
    HeartbeatRead: Timeline._moved,
    LogMilestone: Timeline._milestone,
    FindingRaised: Timeline._finding,
    Decided: Timeline._decided,
    CommandAnswered: Timeline._answered,
    WorkersChanged: Timeline._workers,
    ObserverPaused: Timeline._paused,
    ProcessesSampled: Timeline._processes,
    StacksCaptured: Timeline._captured,
}
