"""Fresh loader workers after a loader was replaced: what may be tried, and what came of it.

Both are files in the attempt's folder:

* ``fresh-workers.json``, what the cause leaves open, written by the supervisor before it asks for
  the replacement;
* ``workers-RANK.jsonl``, a line for each step that the agent takes, in their order.
"""

from __future__ import annotations

from typing import List, Optional, TypedDict

TRIALS_FILE = "fresh-workers.json"

UNWINDING = 5.0
"""Seconds that workers have to leave their code by themselves before they are killed."""

KILLING = 2.0
"""Seconds to wait for killed workers; one in uninterruptible I/O does not end."""

ENDING = UNWINDING + KILLING
"""Seconds that the agent takes at most to end the workers of a loader."""


def steps_file(rank: int | str) -> str:
    """Name of a rank's steps in the attempt's folder; of all of them for "*"."""
    return f"workers-{rank}.jsonl"


class TrialsDocument(TypedDict):
    """``fresh-workers.json``.

    Attributes:
        trials: Workers of each trial, the next one after each relapse; None for as many as before.
            Empty: none are tried.
        code: Code of the cause.
    """

    trials: List[Optional[int]]
    code: str


class WorkersStep:
    """What happens to the workers of a loader that was replaced."""

    STARTING = "starting"
    """Loading without workers costs time: fresh ones are being started."""

    TAKEN_OVER = "taken-over"
    """They are ready and load the rest of the pass."""

    GAIN = "gain"
    """Their speed was measured."""

    RELAPSED = "relapsed"
    """They hung or died, and were replaced at once."""

    WITHOUT = "without"
    """It stays without workers."""


WORKERS_STEPS = (
    WorkersStep.STARTING,
    WorkersStep.TAKEN_OVER,
    WorkersStep.GAIN,
    WorkersStep.RELAPSED,
    WorkersStep.WITHOUT,
)


class WorkersReason:
    """Why a step was taken."""

    WAITS = "waits"
    """Waiting for data costs more than a tenth of the time."""

    FAST_ENOUGH = "fast-enough"
    """Waiting for data costs less than that."""

    HUNG = "hung"
    """A batch did not come in time."""

    DIED = "died"
    """A worker ended."""

    FAILED = "failed"
    """A worker raised an error."""

    CHANGED_CODE = "changed-code"
    """Spawned workers would import code that was changed since the training started."""

    USED_UP = "used-up"
    """All trials relapsed."""

    UNSAFE_MAIN = "unsafe-main"
    """Spawned workers would run the training's script again."""

    NOT_SENT = "not-sent"
    """The data set cannot be sent to another process."""

    MEMORY = "memory"
    """A copy of the data set for each of them does not fit into the memory that is free."""

    NOT_STARTED = "not-started"
    """They did not start."""

    NO_GAIN = "no-gain"
    """They were not faster than none."""

    ASKED = "asked"
    """``--after-cure none``."""


class StepDocument(TypedDict):
    """A line of ``workers-RANK.jsonl``; see ``events.WorkersChanged``."""

    rank: int
    iteration: int
    validation: bool
    step: str
    reason: str
    detail: str
    workers: int
    before_s: Optional[float]
    without_s: Optional[float]
    fresh_s: Optional[float]
    waiting: Optional[float]
    relapses: int
