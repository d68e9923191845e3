"""A decision: what is to be done, with which changes, and why."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from msgspec import Struct

from dualwatch.core.plain import PlainValue


class Action(str, enum.Enum):
    """What the supervisor does next.

    ``REPLACE`` puts a loader without workers into the running training, ``REPLACE_POOL`` computes
    an evaluation without its pool of processes, ``END_WORKERS`` ends loader workers that do not
    end by themselves, ``DROP_LOGS`` gives up a logger that blocks, ``WAKE`` continues stopped
    processes (SIGCONT).
    The training stays alive in these.
    """

    RERUN = "rerun"
    REPLACE = "replace"
    REPLACE_POOL = "replace-pool"
    END_WORKERS = "end-workers"
    DROP_LOGS = "drop-logs"
    WAKE = "wake"
    GIVE_UP = "give-up"
    STOP = "stop"
    REPORT = "report"


class Change(Struct, frozen=True, kw_only=True):
    """One edit of the configuration.

    Attributes:
        key: Dotted path as in ``--cfg-options``; a number is an index of a list.
        before: The value in force before, None where the key was absent.
        after: The new value; None removes the key.
        why: One sentence.
    """

    key: str
    before: PlainValue
    after: PlainValue
    why: str


class RerunStep(Struct, frozen=True, kw_only=True):
    """One step of an escalation: a consistent set of changes.

    Attributes:
        stretch: Iterations now for one iteration of the user's own configuration
            (batch before / batch now); schedules and resumed counters follow it.
        environment: Variables of the rerun.
        older_checkpoint: The checkpoint that was resumed from does not load: take up from the one
            before.
    """

    name: str
    changes: tuple[Change, ...]
    stretch: int = 1
    environment: Mapping[str, str] = {}
    older_checkpoint: bool = False

    @property
    def overrides(self) -> dict[str, PlainValue]:
        """Dotted key -> value, as they are handed to the agent."""
        return {change.key: change.after for change in self.changes}


class Decision(Struct, frozen=True, kw_only=True):
    """What to do about a finding, and the reason in one sentence.

    Attributes:
        cause: Code of the finding that the remedy answers: each cause has a budget of its own.
        pause: Seconds to wait before a rerun.
        patient: The training makes progress: it may finish its iteration before it is stopped.
        withheld: What would be done if stalls were not reported only.
        fresh: Workers that a replaced loader may be given again, on probation: of each trial, None
            for as many as before. Empty for none.
    """

    action: Action
    reason: str
    step: RerunStep | None = None
    cause: str = ""
    pause: float = 0.0
    patient: bool = False
    withheld: Decision | None = None
    fresh: tuple[int | None, ...] = ()


class TriedStep(Struct, frozen=True, kw_only=True):
    """One past rerun of this run: the code that it answered, and the name of its step."""

    cause: str
    step: str
