"""Records a run: every event goes to the journal, the history, the view and the subscribers."""

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
from dualwatch.history.run import RunHistory
from dualwatch.report.run.view import View
from dualwatch.rules.registry import judge
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot


@dataclass(slots=True)
class EventRecorder:
    """The one place through which events flow.

    Attributes:
        run: The history of the run so far.
        sinks: Further views; one that fails is dropped.
    """

    journal: Journal
    view: View
    run: RunHistory = field(default_factory=RunHistory)
    sinks: tuple[View, ...] = ()
    _raised: set[tuple[object, ...]] = field(default_factory=set)
    _blind: bool = False

    @property
    def snapshot(self) -> Snapshot:
        """What is known of the present attempt."""
        return self.run.snapshot

    @property
    def findings(self) -> list[Finding]:
        """What was found in the present attempt."""
        return self.run.attempt.findings

    def record(self, event: Event) -> None:
        """Records an event."""
        if isinstance(event, AttemptStarted):
            self._raised = set()
        lost_before = self.journal.lost
        self.journal.append(event)
        self.run.take(event)
        self._show(lambda view: view.event(event, self.snapshot))
        if self.journal.lost and not lost_before:
            code = f" [{self.journal.lost_code}]" if self.journal.lost_code else ""
            self.note(
                f"the journal cannot be written ({self.journal.lost_because}){code}: the training "
                "continues, its record has gaps"
            )

    def reach(self, moment: Moment) -> None:
        """Moves the time on without an event."""
        self.run.attempt.snapshot = replace(self.snapshot, at=moment.at, wall=moment.wall)

    def judge(self, limits: Thresholds) -> list[Finding]:
        """Applies the rules to the snapshot, and records and returns what is new."""
        fresh = [finding for finding in judge(self.snapshot, limits) if self._is_new(finding)]
        for finding in fresh:
            self.raise_finding(finding)
        return fresh

    def raise_finding(self, finding: Finding) -> None:
        """Records a finding."""
        moment = clock.now()
        self.record(FindingRaised(at=moment.at, wall=moment.wall, finding=finding))

    def decide(self, decision: Decision) -> Decision:
        """Records a decision with its changes, before they are applied."""
        moment = clock.now()
        step = decision.step or RerunStep(name="", changes=())
        withheld = decision.withheld
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
                withheld=withheld.action.value if withheld is not None else "",
                withheld_because=withheld.reason if withheld is not None else "",
                fresh=decision.fresh,
            )
        )
        return decision

    def tick(self) -> None:
        """Lets the views show that time has passed."""
        self._show(lambda view: view.tick(self.snapshot))

    def note(self, text: str) -> None:
        """Shows the user a text that is not an event."""
        self._show(lambda view: view.note(text))

    def unseen(self, what: str, why: str) -> None:
        """Records that a part of dualwatch does not work; the run continues without it."""
        moment = clock.now()
        self.record(NotObserved(at=moment.at, wall=moment.wall, what=what, why=why))
        self.note(f"note: {what}: {why}")

    def close(self) -> None:
        """Closes sinks, view and journal."""
        self._hand(lambda sink: sink.close())
        with contextlib.suppress(OSError, ValueError):
            self.view.close()
        self.journal.close()

    def _show(self, show: Callable[[View], None]) -> None:
        # A terminal that went away must not end the supervision.
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
            except Exception as error:  # No sink may harm the run.
                broken[id(sink)] = f"{type(error).__name__}: {error}"
        if not broken:
            return
        failed = [sink for sink in self.sinks if id(sink) in broken]
        self.sinks = tuple(sink for sink in self.sinks if id(sink) not in broken)
        for sink in failed:
            self.unseen(f"{type(sink).__name__} of the run", broken[id(sink)])

    def _is_new(self, finding: Finding) -> bool:
        # A second stall of an attempt is new; the same one continuing is not.
        since = self.snapshot.progress_at if finding.code.startswith("DW1") else 0.0
        # Ranks that stopped at the same moment are raised one by one.
        key = (finding.code, finding.severity, since, finding.subject, finding.rank)
        if key in self._raised:
            return False
        self._raised.add(key)
        return True
