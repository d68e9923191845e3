"""An event: what was seen, with a monotonic and a wall time.

``at`` is for durations (it never jumps), ``wall`` is for people. The journal keeps events, one JSON
object a line; the snapshot is a fold over them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events.

    Attributes:
        at: Monotonic seconds of the observer.
        wall: Seconds since the epoch.
    """

    at: float
    wall: float
