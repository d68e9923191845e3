"""The clock in one place: monotonic for durations, wall for people."""

from __future__ import annotations

import time
from typing import NamedTuple


class Moment(NamedTuple):
    """One moment on both clocks, in seconds."""

    at: float
    wall: float


def now() -> Moment:
    """This moment."""
    return Moment(time.monotonic(), time.time())
