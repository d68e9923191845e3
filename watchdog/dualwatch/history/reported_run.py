"""A run as ``report`` shows it: its history with every view, and what is known besides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dualwatch.domains.base import Range
from dualwatch.events import (
    AgentReported,
    AttemptStarted,
    ConfigRead,
    Event,
    Finding,
    NotObserved,
    RunEnded,
    RunStarted,
)
from dualwatch.history.memory import MemoryHistory
from dualwatch.history.metrics_table import MetricsTable
from dualwatch.history.run import LINES_AT_ONCE, AttemptHistory, RunHistory
from dualwatch.history.timeline import Timeline
from dualwatch.history.training_record import TrainingRecord
from dualwatch.rules import ranking


@dataclass(slots=True)
class ReportedRun:
    """One run of a page.

    Attributes:
        label: A short name, unlike that of the other runs on the page.
        place: What was looked at.
        alive: Whether its process runs; None where that cannot be known.
        findings, causes: Of all attempts; the causes without symptoms and notes.
        status: Where it is, where no end is on record.
        finished: Whether it trained to the end, where no end is on record.
        not_observed: What could not be looked at -> why.
        notes: What else the reader should know.
        checklist: Items in the form of ``check --json``; None where none was made.
        limits: Metric -> what it may be, by the profile in force.
        shown_first: Metrics that are shown first, most important first.
    """

    label: str = ""
    place: str = ""
    kind: str = "run"
    supervised: bool = True
    alive: bool | None = None
    history: RunHistory = field(init=False)
    timeline: Timeline = field(default_factory=Timeline)
    table: MetricsTable = field(default_factory=MetricsTable)
    memory: MemoryHistory = field(default_factory=MemoryHistory)
    record: TrainingRecord = field(default_factory=TrainingRecord)
    findings: list[Finding] = field(default_factory=list)
    causes: list[Finding] = field(default_factory=list)
    config: ConfigRead | None = None
    sections: dict[str, Any] = field(default_factory=dict)
    status: str = ""
    finished: bool = False
    not_observed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    checklist: list[dict[str, Any]] | None = None
    limits: Mapping[str, Range] = field(default_factory=dict)
    shown_first: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        views = (self.timeline, self.table, self.memory, self.record)
        self.history = RunHistory(views, lines_at_once=LINES_AT_ONCE)

    def fold(self, events: Iterable[Event]) -> ReportedRun:
        """Folds all events of the run, oldest first."""
        take = self.history.take
        for event in events:
            take(event)
        history = self.history
        self.config = history.config
        self.sections = history.started.sections if history.started is not None else {}
        self.not_observed = dict(history.not_observed)
        self.findings = history.findings
        self.causes = [
            cause
            for attempt in history.attempts
            for cause in ranking.causes(_newest(history.findings, attempt.number))
        ]
        if history.ended is not None:
            self.alive = False
        return self

    @property
    def started(self) -> RunStarted | None:
        """How the run was started, where dualwatch started it."""
        return self.history.started

    @property
    def ended(self) -> RunEnded | None:
        """How the run ended, where that is on record."""
        return self.history.ended

    @property
    def attempts(self) -> list[AttemptHistory]:
        """Its attempts, oldest first."""
        return self.history.attempts

    @property
    def required(self) -> tuple[str, ...]:
        """Metrics that must be there."""
        return self.started.required_metrics if self.started is not None else ()

    @property
    def config_path(self) -> str:
        """The configuration, "" where it is not known."""
        if self.started is not None:
            return self.started.config
        return self.config.path if self.config is not None else ""


def _newest(findings: list[Finding], attempt: int) -> list[Finding]:
    """The findings of an attempt, of each code the newest."""
    return list({f.code: f for f in findings if (f.attempt or 0) == attempt}.values())


KINDS: tuple[type[Event], ...] = (
    *Timeline().kinds,
    *MetricsTable.kinds,
    *MemoryHistory.kinds,
    *TrainingRecord.kinds,
    *(RunStarted, RunEnded, AttemptStarted, ConfigRead, AgentReported, NotObserved),
)
"""Events that a reported run is made of; its snapshots take what is given beyond them."""
