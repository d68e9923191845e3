"""What the rules and remedies make of a recorded run, event by event. Pure.

``expected.json`` holds the answers of version 0.1.0 as it was before its packages were laid out
anew: rules, ranking and remedies must give the same ones to the same events.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from dualwatch import frameworks
from dualwatch.events import (
    AttemptStarted,
    Decided,
    Decision,
    Event,
    Finding,
    FindingRaised,
    RerunStep,
    RunStarted,
    TriedStep,
)
from dualwatch.frameworks.base import TrainingSpec
from dualwatch.remedies.decide import Policy, RemedyHistory, decide_death, decide_stall
from dualwatch.remedies.overrides import overrides_of
from dualwatch.rules import ranking
from dualwatch.rules.registry import judge
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot, advance

Answer = list[Any]


def brief(finding: Finding) -> Answer:
    """A finding without its words."""
    confidence = round(finding.confidence, 3)
    return [
        finding.code,
        finding.severity.word,
        confidence,
        finding.attempt,
        finding.rank,
        finding.pid,
    ]


@dataclass(slots=True)
class Replay:
    """Asks again, at every moment at which the recorded run raised a finding or decided."""

    answers: list[Answer] = field(default_factory=list)
    _snapshot: Snapshot = field(default_factory=Snapshot)
    _limits: Thresholds = field(default_factory=Thresholds)
    _policy: Policy = field(default_factory=Policy)
    _spec: TrainingSpec = field(default_factory=TrainingSpec)
    _raised: list[Finding] = field(default_factory=list)
    _tried: list[TriedStep] = field(default_factory=list)
    _step: RerunStep = field(default_factory=lambda: RerunStep(name="", changes=()))
    _woken: bool = False

    def run(self, events: Iterable[Event]) -> list[Answer]:
        """The answers, each with the number of the event before which it was asked."""
        number, before = 0, None
        for number, event in enumerate(events):
            now = replace(self._snapshot, at=event.at, wall=event.wall)
            if isinstance(event, RunStarted):
                self._begin(event)
            elif isinstance(event, FindingRaised):
                if not isinstance(before, FindingRaised):
                    self._findings(number, now)
                self._raised.append(event.finding)
            elif isinstance(event, Decided):
                self._decisions(number, now, event)
            elif isinstance(event, AttemptStarted):
                if self._raised:
                    self._causes(number)
                self._raised, self._woken = [], False
            self._snapshot = advance(self._snapshot, event)
            before = event
        self._findings(number + 1, self._snapshot)
        self._causes(number + 1)
        return self.answers

    def _begin(self, started: RunStarted) -> None:
        settings = started.settings
        self._spec = frameworks.of_run(started.framework, started.sections)
        self._limits = Thresholds(
            stall_timeout=settings["stall_timeout"],
            busy_timeout=settings["busy_timeout"],
            required=started.required_metrics,
        )
        self._policy = Policy(
            on_stall=settings["on_stall"],
            max_reruns=settings["max_reruns"],
            keep_effective_batch=settings["keep_effective_batch"],
            min_batch=settings.get("min_batch") or self._spec.min_batch,
            rescue=settings["rescue"],
        )

    def _findings(self, number: int, now: Snapshot) -> None:
        found = sorted(map(brief, judge(now, self._limits)), key=str)
        self.answers.append([number, "findings", found])

    def _causes(self, number: int) -> None:
        codes = [finding.code for finding in ranking.causes(self._raised)]
        self.answers.append([number, "causes", codes])

    def _decisions(self, number: int, now: Snapshot, event: Decided) -> None:
        if self._snapshot.ended is not None:
            past = self._history(can_replace=False)
            found = ranking.rank(self._raised)
            decisions = [decide_death(found, past, self._spec, self._policy)]
        else:
            found = ranking.rank(judge(now, self._limits))
            decisions = [
                decide_stall(found, self._history(can_replace=can), self._spec, self._policy)
                for can in (True, False)
            ]
        self.answers.append([number, "decisions", [_said(decision) for decision in decisions]])
        self._woken = self._woken or event.action == "wake"
        if event.action == "rerun":
            self._tried.append(TriedStep(cause=event.cause, step=event.step))
            self._step = RerunStep(
                name=event.step,
                changes=event.changes,
                stretch=event.stretch,
                environment=event.environment,
                older_checkpoint=event.older_checkpoint,
            )

    def _history(self, *, can_replace: bool) -> RemedyHistory:
        agent, ended, step = self._snapshot.agent, self._snapshot.ended, self._step
        return RemedyHistory(
            tried=tuple(self._tried),
            overrides=overrides_of(step.overrides, self._spec, step.environment),
            can_change=agent is not None,
            refused=tuple(agent.refused) if agent is not None else (),
            survivors=ended.survivors if ended is not None else (),
            can_replace=can_replace,
            woken=self._woken,
            phase=self._snapshot.phase,
        )


def _said(decision: Decision | None) -> Answer | None:
    if decision is None:
        return None
    step = decision.step or RerunStep(name="", changes=())
    changes = [[change.key, msgspec.to_builtins(change.after)] for change in step.changes]
    return [decision.action.value, decision.cause, step.name, changes]
