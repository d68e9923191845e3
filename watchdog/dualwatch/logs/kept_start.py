"""What is kept of one start of a log while it is read, and its events when all of it was."""

from __future__ import annotations

from bisect import bisect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from dualwatch.events import (
    ErrorSeen,
    Event,
    IterationLogged,
    LinesScreened,
    LogClock,
    ObserverPaused,
    ProgressShown,
)
from dualwatch.logs.console import ConsoleParser
from dualwatch.logs.formats import LineFormat
from dualwatch.logs.screen import PutOffLines

TimeOf = Callable[[str], float | None]

HEAD_CHARS = 2 << 20

FIRST = 1_000
"""Training lines that are kept from the beginning of a start."""

NEWEST = 2_000
"""Training lines that are parsed at the end of a start; of all older starts together as many."""

OTHERS = 2_000
"""Errors that are kept of a start, and as many events of all other kinds: the newest, too."""

OLDER_FIRST = 20
"""Training lines that are kept from the beginning of a start that is not among the newest few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStart:
    """One start of a training in a log.

    Attributes:
        events: With the wall times of their lines; ``at`` counts from the first line of the log.
        head: Its first lines: environment, configuration, hooks.
        first_wall, last_wall: Times of its first and last line.
        resumed: Whether it continues what an earlier start has trained.
        last_line: Its last line that is not empty.
        path: The file, None where it was read from none.
        clock: What is known of its times.
    """

    events: tuple[Event, ...]
    head: tuple[str, ...]
    first_wall: float
    last_wall: float
    resumed: bool
    last_line: str
    path: Path | None = None
    clock: LogClock = LogClock.NONE


class KeptStart:
    """What is kept of one start while it is read. Numbers are those of lines and events."""

    def __init__(self, number: int, wall: float) -> None:
        self.number = number
        self.first_wall = self.last_wall = self.before_wall = wall
        self.resumed = False
        self.last_line = ""
        self.head: list[str] = []
        self.head_chars = 0
        self.training = 0
        self.first: list[tuple[int, Event]] = []
        self.errors: deque[tuple[int, Event]] = deque(maxlen=OTHERS)
        self.others: deque[tuple[int, Event]] = deque(maxlen=OTHERS)
        # Values that are not finite: the first of them show since when.
        self.odd: list[tuple[int, Event]] = []
        self.put_off = PutOffLines(NEWEST)
        # Stretches (after a number, before a number) of which not all is kept.
        self.unseen: list[tuple[int, int]] = []

    @property
    def is_opening(self) -> bool:
        """Whether its training lines so far are all kept."""
        return self.training <= FIRST

    def open_with(self, line: str) -> None:
        """One more line of the head, while there is room."""
        if self.head_chars < HEAD_CHARS:
            self.head.append(line)
            self.head_chars += len(line) + 1

    def keep(self, number: int, event: Event) -> None:
        """One more event."""
        is_beginning = self.is_opening and len(self.first) < NEWEST and not self.others
        if is_beginning:
            self.first.append((number, event))
        elif len(self.odd) < OTHERS and isinstance(event, ProgressShown) and event.is_odd:
            self.odd.append((number, event))
        else:
            (self.errors if isinstance(event, ErrorSeen) else self.others).append((number, event))

    def date(self, wall: float) -> None:
        """Gives everything this wall time."""
        self._retime(lambda _: wall)

    def move(self, off: float) -> None:
        """Adds seconds to all wall times."""
        self._retime(lambda wall: wall + off)

    def _retime(self, retimed: Callable[[float], float]) -> None:
        self.first_wall = retimed(self.first_wall)
        self.last_wall = retimed(self.last_wall)
        self.before_wall = retimed(self.before_wall)
        for events in (self.first, self.errors, self.others, self.odd):
            changed = [(n, replace(event, wall=retimed(event.wall))) for n, event in events]
            events.clear()
            events.extend(changed)

    def thin(self) -> None:
        """Keeps less of a start that is not among the newest few."""
        followers = [event for _, event in self.first[1:]] + [None]
        self.first = [
            (number, event)
            for place, ((number, event), next_one) in enumerate(
                zip(self.first, followers, strict=True)
            )
            if place < OLDER_FIRST or not (_is_line(event) and _is_line(next_one))
        ]

    def story(
        self, formats: Sequence[LineFormat], time_of: TimeOf, first: float, begun: float
    ) -> Iterator[Event]:
        """Its events in their order.

        Args:
            formats: See ``ConsoleParser``.
            time_of: The time of a line's stamp.
            first: The time of the log's first stamp.
            begun: Seconds from there to this start.
        """
        unseen = list(self.unseen)
        if len(self.others) == OTHERS:
            since = self.first[-1][0] if self.first else self.number
            unseen.append((since, self.others[0][0]))
        parser = ConsoleParser(formats)
        put_off: list[tuple[int, Event]] = []
        screened: list[tuple[int, int]] = []
        before = 0
        for one in self.put_off.parsed():
            wall = max(time_of(one.item) or first, first)
            at = wall - first
            if one.skipped:
                screened.append((before, one.number))
                gap = LinesScreened(
                    at=at, wall=wall, lines=one.skipped, non_finite=one.skipped_hits
                )
                put_off.append((one.number, gap))
            put_off += [(one.number, event) for event in parser.feed(one.item, at, wall)]
            before = one.number
        later = sorted([*self.errors, *self.others, *self.odd, *put_off], key=lambda pair: pair[0])
        return _ordered([*self.first, *later], unseen, screened, begun)


def _is_line(event: Event | None) -> bool:
    return isinstance(event, IterationLogged) and event.mode == "train"


def _ordered(
    story: Iterable[tuple[int, Event]],
    unseen: Iterable[tuple[int, int]],
    screened: Sequence[tuple[int, int]],
    at: float,
) -> Iterator[Event]:
    """Events with their numbers, in the order of their times.

    Args:
        unseen: Stretches (after, before) of which not all is kept; a pause comes for each.
        screened: Stretches of training lines that were not parsed, in their order.
        at: The time before the first of them.
    """
    stretches = list(unseen)
    begins = [after for after, _ in screened]
    known = 0
    for number, event in story:
        if event.at < at:  # A clock that was set back; what comes later is not earlier.
            event = replace(event, at=at)
        seconds = event.at - at
        if isinstance(event, LinesScreened):
            event = replace(event, seconds=seconds)
        elif seconds > 0:
            index = bisect(begins, number) - 1
            if any(known < before and number > after for after, before in stretches):
                yield ObserverPaused(at=event.at, wall=event.wall, seconds=seconds)
            elif index >= 0 and number < screened[index][1]:
                # It stands among lines that were not parsed: its distance to them is not known.
                yield LinesScreened(at=event.at, wall=event.wall, lines=0, seconds=seconds)
        known, at = number, event.at
        yield event
