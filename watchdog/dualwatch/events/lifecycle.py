"""The run, its attempts, and what dualwatch itself has to say of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dualwatch.events.base import Event
from dualwatch.events.decisions import Change
from dualwatch.events.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A supervised run began.

    Attributes:
        command: Of the training; with what follows, all that ``attach`` needs to go on with it.
        python: Interpreter that runs it.
        resume: The user asked to go on from the last checkpoint.
        sections: The configuration as it was described; empty where there is none.
        settings: Settings in force that a verdict or a remedy depends on.
    """

    config: str
    script: str
    work_dir: str
    required_metrics: tuple[str, ...]
    required_because: str
    version: str
    command: tuple[str, ...] = ()
    python: str = ""
    resume: bool = False
    sections: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted(Event):
    """The training process was launched. ``create_time`` with ``pid`` is its identity."""

    attempt: int
    pid: int
    create_time: float
    command: tuple[str, ...]
    overrides: dict[str, Any]
    changes: tuple[Change, ...] = ()
    resumed_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded(Event):
    """The training process is gone. ``signal`` is its name ("SIGKILL") where one ended it."""

    attempt: int
    exit_code: int | None
    signal: str | None
    survivors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """The run is over; ``reason`` in one sentence."""

    outcome: str
    exit_code: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotObserved(Event):
    """Something that could not be looked at, and why. Unknown is not well."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverPaused(Event):
    """We ourselves did not run for a while: a laptop's sleep, a SIGSTOP, a debugger."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Event):
    """A decision, kept in the journal with its reason; see ``Decision``.

    Attributes:
        rung: Name of the remedy, "" where there is none.
    """

    action: str
    reason: str
    changes: tuple[Change, ...] = ()
    cause: str = ""
    rung: str = ""
    stretch: int = 1
    environment: dict[str, str] = field(default_factory=dict)
    older_checkpoint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRaised(Event):
    """A verdict, kept in the journal beside what it rests on."""

    finding: Finding
