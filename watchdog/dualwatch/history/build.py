"""Builds the history of a run: one fold over its events, oldest first.

Pure. What is known beside the events (whether the process is alive, what an attempt lost) is added
by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dualwatch.core.text import clean
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
    FindingRaised,
    GpusSampled,
    HeartbeatRead,
    HostSampled,
    IterationLogged,
    LogMilestone,
    NotObserved,
    ObserverPaused,
    ProcessesSampled,
    RunEnded,
    RunStarted,
    Severity,
    StacksCaptured,
)
from dualwatch.history.model import AttemptHistory, RunHistory, StallHistory, TimelineMark
from dualwatch.history.phases import Phases
from dualwatch.protocol import AgentCommand
from dualwatch.rules import ranking
from dualwatch.state.activity import measure
from dualwatch.state.snapshot import STALLS

_ENDS = (Action.RERUN.value, Action.GIVE_UP.value, Action.STOP.value)

MOST_MARKS = 2000
MOST_SCENES = 8
"""Stalls whose processes are kept; a night of them tells the same again."""


def build(events: Iterable[Event]) -> RunHistory:
    """The chapter of the events of one run, oldest first."""
    telling = HistoryBuilder()
    for event in events:
        telling.take(event)
    return telling.close()


class HistoryBuilder:
    """The fold. ``take`` every event, then ``close``."""

    def __init__(self) -> None:
        self._chapter = RunHistory()
        self._phases = Phases()
        self._now: AttemptHistory | None = None
        self._pending: Decided | None = None
        self._progress = 0.0
        self._stall: StallHistory | None = None
        self._trees: list[ProcessesSampled] = []
        self._stacks: StacksCaptured | None = None
        self._recent: list[FindingRaised] = []

    def take(self, event: Event) -> None:
        """One more event."""
        step = _STEPS.get(type(event))
        if step is None:
            return
        chapter = self._chapter
        chapter.first = event.wall if not chapter.first else min(chapter.first, event.wall)
        chapter.last = max(chapter.last, event.wall)
        step(self, event)

    def close(self) -> RunHistory:
        """The chapter, as far as it is known."""
        chapter = self._chapter
        if self._now is not None and self._now.end is None:
            self._phases.end(chapter.last)
        chapter.spans = [span for span in self._phases.spans if span.what and span.end > span.start]
        chapter.marks.sort(key=lambda mark: mark.wall)
        chapter.causes = [
            cause
            for attempt in chapter.attempts
            for cause in ranking.causes(_of(chapter, attempt.number))
        ]
        return chapter

    # --- the run and its attempts ------------------------------------------------------------

    def _run_started(self, event: RunStarted) -> None:
        self._chapter.started = event
        self._chapter.sections = event.sections

    def _attempt_started(self, event: AttemptStarted) -> None:
        chapter = self._chapter
        stretch = self._pending.stretch if self._pending is not None else 1
        self._pending = None
        if chapter.attempts:
            text = f"attempt {event.attempt} started"
            self._mark(event, "rerun", text, attempt=event.attempt)
        self._begin(AttemptHistory(event.attempt, event, event.wall, stretch=stretch))

    def _begin(self, attempt: AttemptHistory) -> None:
        attempt.first_row = len(self._chapter.table)
        self._chapter.attempts.append(attempt)
        self._now, self._stall = attempt, None
        self._trees, self._stacks, self._progress = [], None, attempt.begun
        self._phases.begin(attempt.number, attempt.begun)

    def _attempt_ended(self, event: AttemptEnded) -> None:
        if self._now is None:
            return
        self._now.ended, self._now.end = event, event.wall
        self._phases.end(event.wall)
        if self._stall is not None:
            self._stall.until, self._stall = event.wall, None
        self._mark(event, "end", f"attempt {event.attempt} ended: {_how(event)}")

    def _run_ended(self, event: RunEnded) -> None:
        self._chapter.ended = event
        self._chapter.alive = False

    def _config(self, event: ConfigRead) -> None:
        self._chapter.config = event

    def _agent(self, event: AgentReported) -> None:
        self._chapter.versions |= event.versions

    def _unseen(self, event: NotObserved) -> None:
        self._chapter.not_observed[event.what] = event.why

    # --- what the training says --------------------------------------------------------------

    def _line(self, event: IterationLogged | EvaluationLogged) -> None:
        now = self._in_an_attempt(event)
        self._phases.take(event)
        self._chapter.table.add(event, now.number, now.stretch)
        self._moved(event)

    def _pulse(self, event: HeartbeatRead) -> None:
        self._in_an_attempt(event)
        self._phases.take(event)
        self._moved(event)

    def _milestone(self, event: LogMilestone) -> None:
        self._in_an_attempt(event)
        self._phases.take(event)
        if event.name in ("checkpoint-saving", "best-checkpoint-saved"):
            self._mark(event, "checkpoint", event.text)

    def _in_an_attempt(self, event: Event) -> AttemptHistory:
        """A log has no launch: its first line begins the only attempt."""
        if self._now is None:
            self._begin(AttemptHistory(0, None, event.wall))
        assert self._now is not None
        return self._now

    def _moved(self, event: Event) -> None:
        self._progress = max(self._progress, event.wall)
        stall = self._stall
        # What moves after the decision to stop it is its end: a rescue checkpoint, its teardown.
        if stall is not None and event.wall > stall.told and stall.cure not in _ENDS:
            stall.until, stall.cured, self._stall = event.wall, True, None

    # --- what was found and done -------------------------------------------------------------

    def _finding(self, event: FindingRaised) -> None:
        found = event.finding
        self._chapter.findings.append(found)
        self._recent = [one for one in self._recent if event.wall - one.wall < 5.0] + [event]
        if found.severity >= Severity.WARNING:
            text = f"{found.code} {found.name}: {found.headline}"
            self._mark(event, "finding", text, severity=found.severity.word)
        if found.code in STALLS and found.severity >= Severity.ERROR:
            self._stalled(event)

    def _stalled(self, event: FindingRaised) -> None:
        now = self._in_an_attempt(event)
        if self._stall is not None:
            return  # It goes on, and is told again.
        codes = [one.finding.code for one in self._recent if one.finding.severity >= Severity.ERROR]
        stall = StallHistory(
            now.number,
            since=min(self._progress, event.wall),
            told=event.wall,
            codes=list(dict.fromkeys(codes)),
            row=len(self._chapter.table) - 1,
        )
        if sum(one.processes is not None for one in self._chapter.stalls) < MOST_SCENES:
            stall.processes = self._trees[-1] if self._trees else None
            stall.stacks = self._stacks
            if len(self._trees) > 1:
                stall.activity = measure(self._trees[-2], self._trees[-1])
        self._chapter.stalls.append(stall)
        self._stall = stall

    def _decided(self, event: Decided) -> None:
        if event.action == Action.RERUN.value:
            self._pending = event
        if self._stall is not None:
            self._stall.cure = event.action
        self._mark(event, "decision", f"decision: {event.action}: {event.reason}")

    def _answered(self, event: CommandAnswered) -> None:
        now = self._in_an_attempt(event)
        if event.order == AgentCommand.REPLACE and event.done:
            now.replaced += 1
            self._mark(event, "cure", f"cured in place at iteration {event.iteration}")
        elif event.order == AgentCommand.SAVE and event.done:
            self._mark(event, "checkpoint", f"rescue checkpoint at iteration {event.iteration}")
        elif not event.done:
            self._mark(event, "decision", f"order {event.order} not carried out: {event.why}")

    def _paused(self, event: ObserverPaused) -> None:
        text = f"dualwatch itself stood still for {event.seconds:.0f} s"
        self._mark(event, "paused", text, severity="warning")

    # --- the machine -------------------------------------------------------------------------

    def _processes(self, event: ProcessesSampled) -> None:
        # One look may stand in the journal twice.
        self._trees = [*[tree for tree in self._trees if tree.at < event.at][-1:], event]
        self._chapter.memory.processes_sampled(event, self._number())

    def _captured(self, event: StacksCaptured) -> None:
        self._stacks = event

    def _gpus(self, event: GpusSampled) -> None:
        self._chapter.memory.gpus_sampled(event, self._number())

    def _host(self, event: HostSampled) -> None:
        self._chapter.memory.host_sampled(event, self._number())

    def _number(self) -> int:
        return self._now.number if self._now is not None else 0

    def _mark(
        self, event: Event, kind: str, text: str, *, severity: str = "info", attempt: int = -1
    ) -> None:
        if len(self._chapter.marks) < MOST_MARKS:
            number = attempt if attempt >= 0 else self._number()
            self._chapter.marks.append(
                TimelineMark(event.wall, number, kind, clean(text, 400), severity)
            )


def _of(chapter: RunHistory, attempt: int) -> list[Any]:
    """The findings of an attempt, each code once: the newest telling of it."""
    newest = {f.code: f for f in chapter.findings if (f.attempt or 0) == attempt}
    return list(newest.values())


def _how(event: AttemptEnded) -> str:
    if event.signal:
        return event.signal
    return "how is not known" if event.exit_code is None else f"exit code {event.exit_code}"


_STEPS: dict[type[Event], Callable[[HistoryBuilder, Any], None]] = {
    RunStarted: HistoryBuilder._run_started,
    AttemptStarted: HistoryBuilder._attempt_started,
    AttemptEnded: HistoryBuilder._attempt_ended,
    RunEnded: HistoryBuilder._run_ended,
    ConfigRead: HistoryBuilder._config,
    AgentReported: HistoryBuilder._agent,
    NotObserved: HistoryBuilder._unseen,
    IterationLogged: HistoryBuilder._line,
    EvaluationLogged: HistoryBuilder._line,
    HeartbeatRead: HistoryBuilder._pulse,
    LogMilestone: HistoryBuilder._milestone,
    FindingRaised: HistoryBuilder._finding,
    Decided: HistoryBuilder._decided,
    CommandAnswered: HistoryBuilder._answered,
    ObserverPaused: HistoryBuilder._paused,
    ProcessesSampled: HistoryBuilder._processes,
    StacksCaptured: HistoryBuilder._captured,
    GpusSampled: HistoryBuilder._gpus,
    HostSampled: HistoryBuilder._host,
}
WANTED = tuple(_STEPS)
"""Kinds of events that a chapter is made of."""
