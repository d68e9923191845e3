"""The logs of several ranks of one start as one: what the others died of joins the first's. Pure.

The first rank logs the training. Of the others the errors are taken, and what ended them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from msgspec import structs

from dualwatch.events import DeviceAssertSeen, EndReported, ErrorSeen, Event, LogClock
from dualwatch.logs.reader import LogRead

_TAKEN = (ErrorSeen, EndReported, DeviceAssertSeen)


def joined(first: LogRead, others: Sequence[LogRead]) -> LogRead:
    """The log of the first rank with the ends of the others in its newest start."""
    more = [event for other in others for event in _ends(first, other)]
    if not more:
        return first
    *earlier, newest = first.starts
    events = sorted([*newest.events, *more], key=lambda event: event.at)
    return replace(first, starts=(*earlier, replace(newest, events=tuple(events))))


def _ends(first: LogRead, other: LogRead) -> Iterator[Event]:
    """What a rank died of, at its time in the first one's log; at the end where that has none."""
    newest = first.starts[-1]
    last = newest.events[-1] if newest.events else None
    is_timed = first.clock is LogClock.FULL and other.clock is LogClock.FULL
    for event in other.starts[-1].events:
        if not isinstance(event, _TAKEN):
            continue
        if is_timed and event.wall < newest.first_wall:
            continue  # Of an earlier start.
        at, wall = (last.at, last.wall) if last is not None else (0.0, first.last_wall)
        if is_timed:
            at, wall = max(event.wall - first.first_wall, 0.0), event.wall
        if isinstance(event, ErrorSeen):
            place = f"{event.where}, {other.path.name}" if event.where else ""
            yield structs.replace(event, at=at, wall=wall, where=place)
        else:
            yield structs.replace(event, at=at, wall=wall)
