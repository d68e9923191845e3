"""The run, its attempts, and what dualwatch itself has to say of them."""

from __future__ import annotations

import enum

from msgspec import field

from dualwatch.core.plain import PlainValue
from dualwatch.events.base import Event
from dualwatch.events.decisions import Change
from dualwatch.events.findings import Finding


class RunStarted(Event, frozen=True, kw_only=True, tag="run-started"):
    """A supervised run began.

    Attributes:
        command: Of the training; with what follows, all that ``attach`` needs to go on with it.
        python: Interpreter that runs it.
        resume: The user asked to go on from the last checkpoint.
        sections: The configuration as it was described; empty where there is none.
        framework: Name of the adapter that described it; "" in older journals.
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
    sections: dict[str, PlainValue] = {}
    framework: str = ""
    settings: dict[str, object] = {}


class LogClock(str, enum.Enum):
    """What is known of the times of a log: with their year, without it, or nothing."""

    FULL = "full"
    NO_YEAR = "no-year"
    NONE = "none"


class AttemptStarted(Event, frozen=True, kw_only=True, tag="attempt-started"):
    """The training process was launched. ``create_time`` with ``pid`` is its identity.

    Attributes:
        log: Name of the file that its lines are read from: what evidence of a line cites.
        clock: What is known of the times of its events; where that is not all, they give the order.
        continues: Its log shows that it continues what an earlier start has trained.
    """

    attempt: int
    pid: int
    create_time: float
    command: tuple[str, ...]
    overrides: dict[str, PlainValue]
    changes: tuple[Change, ...] = ()
    resumed_from: str | None = None
    log: str = "console.log"
    continues: bool = False
    clock: LogClock = LogClock.FULL


class AttemptEnded(Event, frozen=True, kw_only=True, tag="attempt-ended"):
    """The training process is gone. ``signal`` is its name ("SIGKILL") where one ended it."""

    attempt: int
    exit_code: int | None
    signal: str | None
    survivors: tuple[int, ...] = ()


class StopKind(str, enum.Enum):
    """Why dualwatch stopped a training.

    ``STALLED``: it made no progress. ``UNWANTED``: it made progress, yet not what was required of
    it. ``INTERRUPTED``: dualwatch was told to stop. ``NO_EXIT``: it had finished and did not exit.
    """

    STALLED = "stalled"
    UNWANTED = "unwanted"
    INTERRUPTED = "interrupted"
    NO_EXIT = "no-exit"


class TrainingStopped(Event, frozen=True, kw_only=True, tag="training-stopped"):
    """dualwatch is about to stop a running training.

    Attributes:
        why: What it was stopped for.
        reason: In one sentence.
        cause: Code of the finding that it answers, "" for none.
        action: The decision behind it ("stop", "give-up", "rerun"), "" for none.
    """

    why: StopKind
    reason: str
    cause: str = ""
    action: str = ""


class RunEnded(Event, frozen=True, kw_only=True, tag="run-ended"):
    """The run is over; ``reason`` in one sentence."""

    outcome: str
    exit_code: int
    reason: str


class NotObserved(Event, frozen=True, kw_only=True, tag="not-observed"):
    """Something that could not be observed, and why.

    Attributes:
        gone: It is about a process that had ended, which nobody refused to show.
    """

    what: str
    why: str
    gone: bool = False


class ObserverPaused(Event, frozen=True, kw_only=True, tag="observer-paused"):
    """We ourselves did not run for a while: a laptop's sleep, a SIGSTOP, a debugger."""

    seconds: float


class Decided(Event, frozen=True, kw_only=True, tag="decided"):
    """A decision, kept in the journal with its reason; see ``Decision``.

    Attributes:
        step: Name of the remedy, "" where there is none.
        withheld: The action that was not taken because stalls are reported only, "" for none.
        withheld_because: Its reason.
        fresh: See ``Decision``.
    """

    action: str
    reason: str
    changes: tuple[Change, ...] = ()
    cause: str = ""
    step: str = field(name="rung", default="")
    stretch: int = 1
    environment: dict[str, str] = {}
    older_checkpoint: bool = False
    withheld: str = ""
    withheld_because: str = ""
    fresh: tuple[int | None, ...] = ()


class FindingRaised(Event, frozen=True, kw_only=True, tag="finding-raised"):
    """A verdict, kept in the journal beside what it rests on."""

    finding: Finding
