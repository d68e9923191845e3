"""Which errors the training survived. Pure."""

from __future__ import annotations

from dualwatch.events import ErrorSeen
from dualwatch.state.snapshot import Snapshot

SAME_LOOK = 2.0
"""Seconds within which the order of a heartbeat and a console line is not known."""


def went_on(s: Snapshot, error: ErrorSeen) -> bool:
    """Whether the training continued after an error, which was caught, then.

    Every rank must have moved: others may finish an iteration after one has died. Console lines do
    not count, since they also come during shutdown.
    """
    later = [s.last_train, s.last_evaluation]
    if any(line is not None and line.at > error.at for line in later):
        return True
    return bool(s.moved_at) and min(s.moved_at.values()) > error.at + SAME_LOOK
