"""An event: what was seen, with a monotonic and a wall time.

``at`` is for durations (it never jumps), ``wall`` is for people. The journal keeps events, one JSON
object a line; the snapshot is a fold over them.
"""

from __future__ import annotations

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Base of all events. The tag of a class is its published ``kind`` in the journal.

    Attributes:
        at: Monotonic seconds of the observer.
        wall: Seconds since the epoch.
    """

    at: float
    wall: float
