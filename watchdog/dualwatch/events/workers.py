"""What becomes of the workers of a loader that was replaced."""

from __future__ import annotations

from dualwatch.events.base import Event


class WorkersChanged(Event, frozen=True, kw_only=True, tag="workers-changed"):
    """A step of the agent with the workers of a loader that was replaced.

    Attributes:
        iteration: Iterations completed.
        validation: Whether it is a loader of a validation.
        step: One of ``protocol.workers.WorkersStep``.
        reason: One of ``protocol.workers.WorkersReason``.
        detail: More of the reason, as an error says it; "" for none.
        workers: Fresh workers that it is about, 0 for none.
        before_s: Seconds of an iteration before the stall; None where too few were seen.
        without_s: The same without workers.
        fresh_s: The same with the fresh ones.
        waiting: Share of it that was spent waiting for data.
        relapses: Fresh workers that hung or died so far.
    """

    rank: int
    iteration: int
    validation: bool
    step: str
    reason: str
    detail: str = ""
    workers: int = 0
    before_s: float | None = None
    without_s: float | None = None
    fresh_s: float | None = None
    waiting: float | None = None
    relapses: int = 0
