"""What is told of one run. A page of several runs has a chapter of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    ConfigRead,
    Finding,
    ProcessesSampled,
    RunEnded,
    RunStarted,
    StacksCaptured,
)
from dualwatch.history.memory import MemoryHistory
from dualwatch.history.metrics_table import MetricsTable
from dualwatch.state.activity import Activity


@dataclass(slots=True)
class PhaseSpan:
    """A time in which one thing was going on.

    Attributes:
        what: A word of ``phases.KINDS``.
    """

    attempt: int
    what: str
    start: float
    end: float


@dataclass(slots=True)
class StallHistory:
    """A silence that was called a stall.

    Attributes:
        since: Wall time of the last progress.
        told: When it was called a stall.
        until: When the training moved again or its attempt ended; None where neither was seen.
        codes: What was found, the stall itself and its causes.
        cure: What was done: "replace", "wake", "rerun", ... "" where nothing was.
        cured: Whether the training went on in the same process.
        place: Where it stood, on the axis of the curves: (iteration row), -1 before any line.
        processes, stacks, activity: The tree at that time.
    """

    attempt: int
    since: float
    told: float
    until: float | None = None
    codes: list[str] = field(default_factory=list)
    cure: str = ""
    cured: bool = False
    row: int = -1
    processes: ProcessesSampled | None = None
    stacks: StacksCaptured | None = None
    activity: Activity | None = None


@dataclass(slots=True)
class TimelineMark:
    """Something that happened at one moment.

    Attributes:
        kind: "finding", "cure", "decision", "checkpoint", "rerun", "end", "paused".
    """

    wall: float
    attempt: int
    kind: str
    text: str
    severity: str = "info"


@dataclass(slots=True)
class AttemptHistory:
    """One process of the training.

    Attributes:
        lost: Iterations that no checkpoint held when it ended; None where nobody wrote it down.
        first_row: Number of its first row in the table.
        replaced: How often its loader was replaced in place.
    """

    number: int
    started: AttemptStarted | None
    begun: float
    ended: AttemptEnded | None = None
    end: float | None = None
    lost: int | None = None
    first_row: int = 0
    replaced: int = 0
    stretch: int = 1


@dataclass(slots=True)
class RunHistory:
    """One run.

    Attributes:
        label: A short name, unlike that of the other runs on the page.
        place: What was looked at.
        alive: Whether its process runs; None where that cannot be known.
        first, last: Wall times of the first and the last thing that is known of it.
        standing: Where it stands, where no end is on record.
        not_observed: What could not be looked at -> why.
        notes: What else whoever reads this should know.
        checklist: Items in the form of ``check --json``; None where none was made.
    """

    label: str = ""
    place: str = ""
    kind: str = "run"
    supervised: bool = True
    alive: bool | None = None
    started: RunStarted | None = None
    ended: RunEnded | None = None
    first: float = 0.0
    last: float = 0.0
    attempts: list[AttemptHistory] = field(default_factory=list)
    spans: list[PhaseSpan] = field(default_factory=list)
    stalls: list[StallHistory] = field(default_factory=list)
    marks: list[TimelineMark] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    causes: list[Finding] = field(default_factory=list)
    table: MetricsTable = field(default_factory=MetricsTable)
    memory: MemoryHistory = field(default_factory=MemoryHistory)
    config: ConfigRead | None = None
    versions: dict[str, str] = field(default_factory=dict)
    sections: dict[str, Any] = field(default_factory=dict)
    standing: str = ""
    not_observed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    checklist: list[dict[str, Any]] | None = None

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
