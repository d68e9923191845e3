"""Keeps the story of a run: every event goes to the journal, into the snapshot and to the view."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dualwatch.core import clock
from dualwatch.core.clock import Moment
from dualwatch.events import (
    AttemptStarted,
    Decided,
    Decision,
    Event,
    Finding,
    FindingRaised,
    NotObserved,
    RerunStep,
)
from dualwatch.events.journal import Journal
from dualwatch.report.run.view import View
from dualwatch.rules.registry import judge
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot, advance


@dataclass(slots=True)
class EventRecorder:
    """The one place through which events flow.

    Attributes:
        sinks: Who else is shown all that the view is: each may fail for itself.
        snapshot: All that is known of the present attempt.
        findings: What was found in the present attempt.
    """

    journal: Journal
    view: View
    snapshot: Snapshot = field(default_factory=Snapshot)
    findings: list[Finding] = field(default_factory=list)
    sinks: tuple[View, ...] = ()
    _raised: set[tuple[object, ...]] = field(default_factory=set)
    _blind: bool = False

    def record(self, event: Event) -> None:
        """An event was seen."""
        if isinstance(event, AttemptStarted):
            self.findings, self._raised = [], set()
        lost_before = self.journal.lost
        self.journal.append(event)
        self.snapshot = advance(self.snapshot, event)
        self._show(lambda view: view.event(event, self.snapshot))
        if self.journal.lost and not lost_before:
            code = f" [{self.journal.lost_code}]" if self.journal.lost_code else ""
            self.note(
                f"the journal cannot be written ({self.journal.lost_because}){code}: the training "
                "goes on, its record has gaps"
            )

    def reach(self, moment: Moment) -> None:
        """Time has passed without an event."""
        self.snapshot = replace(self.snapshot, at=moment.at, wall=moment.wall)

    def judge(self, limits: Thresholds) -> list[Finding]:
        """Judges the snapshot and tells what is new."""
        fresh = [finding for finding in judge(self.snapshot, limits) if self._is_new(finding)]
        for finding in fresh:
            self.raise_finding(finding)
        return fresh

    def raise_finding(self, finding: Finding) -> None:
        """Tells a finding."""
        self.findings.append(finding)
        moment = clock.now()
        self.record(FindingRaised(at=moment.at, wall=moment.wall, finding=finding))

    def decide(self, decision: Decision) -> Decision:
        """Tells a decision, with the changes that it leads to, before they are applied."""
        moment = clock.now()
        step = decision.step or RerunStep(name="", changes=())
        self.record(
            Decided(
                at=moment.at,
                wall=moment.wall,
                action=decision.action.value,
                reason=decision.reason,
                changes=step.changes,
                cause=decision.cause,
                step=step.name,
                stretch=step.stretch,
                environment=dict(step.environment),
                older_checkpoint=step.older_checkpoint,
            )
        )
        return decision

    def tick(self) -> None:
        """Lets the view show that time has passed."""
        self._show(lambda view: view.tick(self.snapshot))

    def note(self, text: str) -> None:
        """Something for the user that is no event of the training."""
        self._show(lambda view: view.note(text))

    def unseen(self, what: str, why: str) -> None:
        """Something of ours did not work: it is told once, and the run goes on without it."""
        moment = clock.now()
        self.record(NotObserved(at=moment.at, wall=moment.wall, what=what, why=why))
        self.note(f"note: {what}: {why}")

    def close(self) -> None:
        """The run is over: sinks, view and journal are put away."""
        self._hand(lambda sink: sink.close())
        with contextlib.suppress(OSError, ValueError):
            self.view.close()
        self.journal.close()

    def _show(self, show: Callable[[View], None]) -> None:
        # A terminal that went away is no reason to leave a training alone.
        if not self._blind:
            try:
                show(self.view)
            except (OSError, ValueError):
                self._blind = True
        self._hand(show)

    def _hand(self, show: Callable[[View], None]) -> None:
        broken: dict[int, str] = {}
        for sink in self.sinks:
            try:
                show(sink)
            except Exception as error:  # Whatever is wrong with it, the training is worth more.
                broken[id(sink)] = f"{type(error).__name__}: {error}"
        if not broken:
            return
        failed = [sink for sink in self.sinks if id(sink) in broken]
        self.sinks = tuple(sink for sink in self.sinks if id(sink) not in broken)
        for sink in failed:
            self.unseen(f"{type(sink).__name__} of the run", broken[id(sink)])

    def _is_new(self, finding: Finding) -> bool:
        # A second stall of one attempt is news; the same one still going on is not.
        since = self.snapshot.progress_at if finding.code.startswith("DW1") else 0.0
        # Ranks that came to stand at one moment stall one by one.
        key = (finding.code, finding.severity, since, finding.subject, finding.rank)
        if key in self._raised:
            return False
        self._raised.add(key)
        return True
