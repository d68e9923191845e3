"""The words for what happens to the workers of a loader that was replaced."""

from __future__ import annotations

from dualwatch.core import units
from dualwatch.core.units import counted
from dualwatch.events import WorkersChanged
from dualwatch.protocol.workers import WorkersReason, WorkersStep

_REASONS = {
    WorkersReason.FAST_ENOUGH: "loading in the main process costs less than 10 % of the time",
    WorkersReason.HUNG: "a batch did not come in time",
    WorkersReason.DIED: "a worker ended",
    WorkersReason.FAILED: "a worker raised an error",
    WorkersReason.CHANGED_CODE: "the code was changed since the training started",
    WorkersReason.USED_UP: "fresh workers failed twice",
    WorkersReason.UNSAFE_MAIN: "spawned workers would run the training's script again",
    WorkersReason.NOT_SENT: "the dataset cannot be sent to a spawned worker",
    WorkersReason.MEMORY: "the memory that is free does not hold spawned workers",
    WorkersReason.NOT_STARTED: "fresh workers did not start",
    WorkersReason.NO_GAIN: "fresh workers were not faster",
    WorkersReason.ASKED: "no fresh workers are wanted, as you asked",
}


def workers_text(event: WorkersChanged) -> str:
    """The step in one line, with the reason and the times that were measured."""
    at = f"at iteration {event.iteration}"
    which = "validation loader" if event.validation else "loader"
    fresh = counted(event.workers, "fresh worker")
    if event.step == WorkersStep.STARTING:
        share = f"{100 * event.waiting:.0f} % of the time" if event.waiting is not None else "time"
        text = f"{which} without workers: waiting for data costs {share}, {fresh} (spawned) start"
    elif event.step == WorkersStep.TAKEN_OVER:
        return f"{fresh} took over {at}, on probation"
    elif event.step == WorkersStep.GAIN:
        text = f"{fresh}: speed measured {at}"
    elif event.step == WorkersStep.RELAPSED:
        text = f"{fresh} replaced again {at}: {_reason(event)}; no sample lost"
    else:
        text = f"{which} stays without workers: {_reason(event)}"
    times = _times(event)
    return f"{text} ({times})" if times else text


def _reason(event: WorkersChanged) -> str:
    known = _REASONS.get(event.reason, event.reason)
    return f"{known}: {event.detail}" if event.detail else known


def _times(event: WorkersChanged) -> str:
    """Seconds of an iteration before the stall, without workers and with fresh ones."""
    named = (
        (event.before_s, "before the stall"),
        (event.without_s, "without workers"),
        (event.fresh_s, "with fresh workers"),
    )
    known = [f"{units.value(seconds)} {what}" for seconds, what in named if seconds is not None]
    return f"seconds an iteration: {', '.join(known)}" if known else ""
