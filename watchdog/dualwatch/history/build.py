"""From facts to the chapter of a run: the fold that sends each fact to the parts that it concerns.

Pure: what is known beside the facts (whether the process lives, what an attempt lost) is added by
whoever gathers them.
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
    ConfigRead,
    Decided,
    EvaluationLogged,
    Fact,
    FindingRaised,
    GpusSampled,
    HostSampled,
    IterationLogged,
    Milestone,
    NotObserved,
    ObserverPaused,
    OrderAnswered,
    ProcessesSampled,
    Pulse,
    RunEnded,
    RunStarted,
    Severity,
    StacksCaptured,
)
from dualwatch.history.model import Attempt, Chapter, Mark, Stall
from dualwatch.history.phases import Phases
from dualwatch.protocol import Order
from dualwatch.rules import ranking
from dualwatch.state.activity import measure
from dualwatch.state.snapshot import STALLS

_ENDS = (Action.RERUN.value, Action.GIVE_UP.value, Action.STOP.value)

MOST_MARKS = 2000
MOST_SCENES = 8
"""Stalls whose processes are kept; a night of them tells the same again."""


def tell(facts: Iterable[Fact]) -> Chapter:
    """The chapter of the facts of one run, oldest first."""
    telling = Telling()
    for fact in facts:
        telling.take(fact)
    return telling.close()


class Telling:
    """The fold. ``take`` every fact, then ``close``."""

    def __init__(self) -> None:
        self._chapter = Chapter()
        self._phases = Phases()
        self._now: Attempt | None = None
        self._pending: Decided | None = None
        self._progress = 0.0
        self._stall: Stall | None = None
        self._trees: list[ProcessesSampled] = []
        self._stacks: StacksCaptured | None = None
        self._recent: list[FindingRaised] = []

    def take(self, fact: Fact) -> None:
        """One more fact."""
        step = _STEPS.get(type(fact))
        if step is None:
            return
        chapter = self._chapter
        chapter.first = fact.wall if not chapter.first else min(chapter.first, fact.wall)
        chapter.last = max(chapter.last, fact.wall)
        step(self, fact)

    def close(self) -> Chapter:
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

    def _run_started(self, fact: RunStarted) -> None:
        self._chapter.started = fact
        self._chapter.sections = fact.sections

    def _attempt_started(self, fact: AttemptStarted) -> None:
        chapter = self._chapter
        stretch = self._pending.stretch if self._pending is not None else 1
        self._pending = None
        if chapter.attempts:
            text = f"attempt {fact.attempt} started"
            self._mark(fact, "rerun", text, attempt=fact.attempt)
        self._begin(Attempt(fact.attempt, fact, fact.wall, stretch=stretch))

    def _begin(self, attempt: Attempt) -> None:
        attempt.first_row = len(self._chapter.table)
        self._chapter.attempts.append(attempt)
        self._now, self._stall = attempt, None
        self._trees, self._stacks, self._progress = [], None, attempt.begun
        self._phases.begin(attempt.number, attempt.begun)

    def _attempt_ended(self, fact: AttemptEnded) -> None:
        if self._now is None:
            return
        self._now.ended, self._now.end = fact, fact.wall
        self._phases.end(fact.wall)
        if self._stall is not None:
            self._stall.until, self._stall = fact.wall, None
        self._mark(fact, "end", f"attempt {fact.attempt} ended: {_how(fact)}")

    def _run_ended(self, fact: RunEnded) -> None:
        self._chapter.ended = fact
        self._chapter.alive = False

    def _config(self, fact: ConfigRead) -> None:
        self._chapter.config = fact

    def _agent(self, fact: AgentReported) -> None:
        self._chapter.versions |= fact.versions

    def _unseen(self, fact: NotObserved) -> None:
        self._chapter.not_observed[fact.what] = fact.why

    # --- what the training says --------------------------------------------------------------

    def _line(self, fact: IterationLogged | EvaluationLogged) -> None:
        now = self._in_an_attempt(fact)
        self._phases.take(fact)
        self._chapter.table.add(fact, now.number, now.stretch)
        self._moved(fact)

    def _pulse(self, fact: Pulse) -> None:
        self._in_an_attempt(fact)
        self._phases.take(fact)
        self._moved(fact)

    def _milestone(self, fact: Milestone) -> None:
        self._in_an_attempt(fact)
        self._phases.take(fact)
        if fact.name in ("checkpoint-saving", "best-checkpoint-saved"):
            self._mark(fact, "checkpoint", fact.text)

    def _in_an_attempt(self, fact: Fact) -> Attempt:
        """A log has no launch: its first line begins the only attempt."""
        if self._now is None:
            self._begin(Attempt(0, None, fact.wall))
        assert self._now is not None
        return self._now

    def _moved(self, fact: Fact) -> None:
        self._progress = max(self._progress, fact.wall)
        stall = self._stall
        # What moves after the decision to stop it is its end: a rescue checkpoint, its teardown.
        if stall is not None and fact.wall > stall.told and stall.cure not in _ENDS:
            stall.until, stall.cured, self._stall = fact.wall, True, None

    # --- what was found and done -------------------------------------------------------------

    def _finding(self, fact: FindingRaised) -> None:
        found = fact.finding
        self._chapter.findings.append(found)
        self._recent = [one for one in self._recent if fact.wall - one.wall < 5.0] + [fact]
        if found.severity >= Severity.WARNING:
            text = f"{found.code} {found.name}: {found.headline}"
            self._mark(fact, "finding", text, severity=found.severity.word)
        if found.code in STALLS and found.severity >= Severity.ERROR:
            self._stalled(fact)

    def _stalled(self, fact: FindingRaised) -> None:
        now = self._in_an_attempt(fact)
        if self._stall is not None:
            return  # It goes on, and is told again.
        codes = [one.finding.code for one in self._recent if one.finding.severity >= Severity.ERROR]
        stall = Stall(
            now.number,
            since=min(self._progress, fact.wall),
            told=fact.wall,
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

    def _decided(self, fact: Decided) -> None:
        if fact.action == Action.RERUN.value:
            self._pending = fact
        if self._stall is not None:
            self._stall.cure = fact.action
        self._mark(fact, "decision", f"decision: {fact.action}: {fact.reason}")

    def _answered(self, fact: OrderAnswered) -> None:
        now = self._in_an_attempt(fact)
        if fact.order == Order.REPLACE and fact.done:
            now.replaced += 1
            self._mark(fact, "cure", f"cured in place at iteration {fact.iteration}")
        elif fact.order == Order.SAVE and fact.done:
            self._mark(fact, "checkpoint", f"rescue checkpoint at iteration {fact.iteration}")
        elif not fact.done:
            self._mark(fact, "decision", f"order {fact.order} not carried out: {fact.why}")

    def _paused(self, fact: ObserverPaused) -> None:
        text = f"dualwatch itself stood still for {fact.seconds:.0f} s"
        self._mark(fact, "paused", text, severity="warning")

    # --- the machine -------------------------------------------------------------------------

    def _processes(self, fact: ProcessesSampled) -> None:
        # One look may stand in the journal twice.
        self._trees = [*[tree for tree in self._trees if tree.at < fact.at][-1:], fact]
        self._chapter.memory.processes_sampled(fact, self._number())

    def _captured(self, fact: StacksCaptured) -> None:
        self._stacks = fact

    def _gpus(self, fact: GpusSampled) -> None:
        self._chapter.memory.gpus_sampled(fact, self._number())

    def _host(self, fact: HostSampled) -> None:
        self._chapter.memory.host_sampled(fact, self._number())

    def _number(self) -> int:
        return self._now.number if self._now is not None else 0

    def _mark(
        self, fact: Fact, kind: str, text: str, *, severity: str = "info", attempt: int = -1
    ) -> None:
        if len(self._chapter.marks) < MOST_MARKS:
            number = attempt if attempt >= 0 else self._number()
            self._chapter.marks.append(Mark(fact.wall, number, kind, clean(text, 400), severity))


def _of(chapter: Chapter, attempt: int) -> list[Any]:
    """The findings of an attempt, each code once: the newest telling of it."""
    newest = {f.code: f for f in chapter.findings if (f.attempt or 0) == attempt}
    return list(newest.values())


def _how(fact: AttemptEnded) -> str:
    if fact.signal:
        return fact.signal
    return "how is not known" if fact.exit_code is None else f"exit code {fact.exit_code}"


_STEPS: dict[type[Fact], Callable[[Telling, Any], None]] = {
    RunStarted: Telling._run_started,
    AttemptStarted: Telling._attempt_started,
    AttemptEnded: Telling._attempt_ended,
    RunEnded: Telling._run_ended,
    ConfigRead: Telling._config,
    AgentReported: Telling._agent,
    NotObserved: Telling._unseen,
    IterationLogged: Telling._line,
    EvaluationLogged: Telling._line,
    Pulse: Telling._pulse,
    Milestone: Telling._milestone,
    FindingRaised: Telling._finding,
    Decided: Telling._decided,
    OrderAnswered: Telling._answered,
    ObserverPaused: Telling._paused,
    ProcessesSampled: Telling._processes,
    StacksCaptured: Telling._captured,
    GpusSampled: Telling._gpus,
    HostSampled: Telling._host,
}
WANTED = tuple(_STEPS)
"""Kinds of facts that a chapter is made of."""
