"""Reads a whole log, however long, into the events that matter.

Of a million training lines the first and the newest of each start are parsed. Those in between are
screened (see ``screen``): an event says how many were not parsed, and no pause is learned from
their stretch.
"""

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
)
from dualwatch.logs import envelopes
from dualwatch.logs.console import ConsoleParser
from dualwatch.logs.formats import LineFormat
from dualwatch.logs.screen import PutOffLines
from dualwatch.logs.starts import Position, StartFinder
from dualwatch.logs.timestamps import TimestampReader, may_date

TAIL = 50
HEAD_CHARS = 2 << 20

FIRST = 1_000
"""Training lines that are kept from the beginning of a start."""

NEWEST = 2_000
"""Training lines that are parsed at the end of a start; of all older starts together as many."""

OTHERS = 2_000
"""Errors that are kept of a start, and as many events of all other kinds: the newest, too."""

STARTS = 50
"""Starts that are kept, the newest; of older ones only their number is known."""

OLDER_FIRST = 20
"""Training lines that are kept from the beginning of a start that is not among the newest few."""

FEW = 4


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


class _Kept:
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
        self.put_off = PutOffLines(NEWEST)
        # Stretches (after a number, before a number) of which not all is kept.
        self.unseen: list[tuple[int, int]] = []

    def open_with(self, line: str) -> None:
        """One more line of the head, while there is room."""
        if self.head_chars < HEAD_CHARS:
            self.head.append(line)
            self.head_chars += len(line) + 1

    def keep(self, number: int, event: Event) -> None:
        """One more event."""
        is_beginning = self.training <= FIRST and len(self.first) < NEWEST and not self.others
        if is_beginning:
            self.first.append((number, event))
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
        for events in (self.first, self.errors, self.others):
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


class WholeLog:
    """Takes the lines of a log in their order.

    Args:
        modified: The file's own time, which orders what a log without stamps holds.
        formats: See ``ConsoleParser``.
        names: Names of the file and of its folders, which may date it.

    Attributes:
        tail: The last lines.
        first_wall, last_wall: Times of the first and of the last stamp; the file's without any.
        dropped: Older starts of which nothing is kept.
    """

    def __init__(
        self, modified: float, formats: Sequence[LineFormat], names: Sequence[str] = ()
    ) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.first_wall: float | None = None
        self.last_wall = modified
        self.dropped = 0
        self._names = names
        self._stamps = TimestampReader(modified)
        self._formats = formats
        self._parser = ConsoleParser(formats)
        self._finder = StartFinder()
        self._open = False
        self._read_at = 0.0, modified
        self._clock = LogClock.NONE
        # Of lines and events, in the order in which they came.
        self._number = 0
        self._untimed = ""
        self._now = _Kept(0, modified)
        self._older: deque[_Kept] = deque()

    @property
    def clock(self) -> LogClock:
        """What is known of its times; a year that is not known is guessed by the file's own."""
        return self._stamps.clock

    def take(self, lines: Iterable[str]) -> None:
        """The next lines, clean and bounded."""
        for line in map(envelopes.unwrapped, lines):
            self._number += 1
            self.tail.append(line)
            position = None
            for known in self._formats:
                position = known.position(line)
                if position is not None:
                    break
            if position is None or not self._is_put_off(position, line):
                self._read(line)
            if line:
                self._now.last_line = line

    def leap(self) -> None:
        """The lines that follow here in the file are left out."""
        self._break_off()
        self._now.unseen.append((self._number, self._number + 1))

    def starts(self) -> tuple[LogStart, ...]:
        """The starts of the log, oldest first, when all of it was taken; at least one.

        The wall times of events are those of their lines; ``at`` is seconds since the first stamp.
        """
        self._break_off()
        for name in self._names:
            self._stamps.take_name(name)
        self._correct()
        first = self.first_wall if self.first_wall is not None else self.last_wall
        found: list[LogStart] = []
        at = 0.0
        for kept in (*self._older, self._now):
            events = tuple(self._story(kept, first, at))
            at = events[-1].at if events else at
            found.append(
                LogStart(
                    events=events,
                    head=tuple(kept.head),
                    first_wall=kept.first_wall,
                    last_wall=max(kept.last_wall, kept.first_wall),
                    resumed=kept.resumed,
                    last_line=kept.last_line,
                )
            )
        return tuple(found)

    # --- lines -----------------------------------------------------------------------------------

    def _is_put_off(self, position: Position, line: str) -> bool:
        """Takes the counters of a training line; whether it need not be taken apart now."""
        kept = self._now
        if self._finder.falls(position):
            self._break_off()
            at_this = self._time(line)[1]
            self._finder.begin(at_this, position)
            self._begin(at_this)
            kept = self._now
        kept.training += 1
        kept.resumed = self._finder.is_resumed
        if kept.training <= FIRST or self._open:
            kept.put_off.learn(line)
            return False
        kept.put_off.take(self._number, line)
        self._untimed = line
        return True

    def _read(self, line: str) -> None:
        """Takes a line apart."""
        was_open, is_dated = self._open, self.first_wall is not None
        at, wall = self._time(line)
        before = self._read_at if is_dated else (at, wall)
        self._read_at = at, wall
        for event in self._parser.feed(line, at, wall):
            if was_open and isinstance(event, ErrorSeen) and len(event.excerpt) > 1:
                # The line that shows the end of a traceback is not part of it.
                event = replace(event, at=before[0], wall=before[1])
            if self._finder.begins(event):
                # What another start reports is reported again, however often it was before.
                self._parser = ConsoleParser(self._formats)
                self._begin(wall)
            self._number += 1
            self._now.keep(self._number, event)
        self._now.resumed = self._finder.is_resumed
        self._now.open_with(line)
        self._open = self._parser.is_open

    def _begin(self, wall: float) -> None:
        """Another start begins with the present line, or with the stamp before it."""
        if self._now.last_wall == wall:
            self._now.last_wall = self._now.before_wall
        self._older.append(self._now)
        self._now = _Kept(self._number, wall)
        if len(self._older) >= STARTS:
            self._older.popleft()
            self.dropped += 1
        if len(self._older) > FEW:
            self._older[-FEW - 1].thin()
        spare = sum(len(kept.put_off) for kept in self._older) - NEWEST
        for kept in self._older:
            fewer = min(spare, len(kept.put_off) - 1)
            if fewer > 0:
                kept.put_off.thin(fewer)
                spare -= fewer

    def _time(self, line: str) -> tuple[float, float]:
        """Both times of a line; one without a stamp has that of the last one before it."""
        stamped, stamp = line, self._stamps.of(line)
        if stamp is None and self._untimed:
            stamped = self._untimed
            stamp = self._stamps.of(stamped)
        self._untimed = ""
        if self._stamps.clock is not LogClock.FULL and may_date(line):
            self._stamps.take_name(line)
        if self._stamps.clock is not self._clock:
            self._clock = self._stamps.clock
            self._correct()
            stamp = self._stamps.of(stamped) if stamp is not None else None
        if stamp is not None:
            if self.first_wall is None:
                self.first_wall = stamp
                # What came before the first stamp has the time of it, not that of the file.
                for kept in (*self._older, self._now):
                    kept.date(stamp)
            self.last_wall = max(stamp, self.first_wall)
        if self.last_wall != self._now.last_wall:
            self._now.before_wall, self._now.last_wall = self._now.last_wall, self.last_wall
        return self.last_wall - (self.first_wall or self.last_wall), self.last_wall

    def _correct(self) -> None:
        """The year became known: moves what came before it."""
        off = self._stamps.correction()
        if not off:
            return
        if self.first_wall is not None:
            self.first_wall += off
            self.last_wall += off
            self._read_at = self._read_at[0], self._read_at[1] + off
        for kept in (*self._older, self._now):
            kept.move(off)

    def _break_off(self) -> None:
        """No line follows that could belong to a traceback."""
        at, wall = self._time("")
        for event in self._parser.close(at, wall):
            self._finder.begins(event)
            self._number += 1
            self._now.keep(self._number, event)
        self._open = False

    # --- events ----------------------------------------------------------------------------------

    def _story(self, kept: _Kept, first: float, begun: float) -> Iterator[Event]:
        """The events of a start, ``begun`` seconds after the first stamp."""
        unseen = list(kept.unseen)
        if len(kept.others) == OTHERS:
            since = kept.first[-1][0] if kept.first else kept.number
            unseen.append((since, kept.others[0][0]))
        parser = ConsoleParser(self._formats)
        put_off: list[tuple[int, Event]] = []
        screened: list[tuple[int, int]] = []
        before = 0
        for one in kept.put_off.parsed():
            wall = max(self._stamps.of(one.item) or first, first)
            at = wall - first
            if one.skipped:
                screened.append((before, one.number))
                gap = LinesScreened(
                    at=at, wall=wall, lines=one.skipped, non_finite=one.skipped_hits
                )
                put_off.append((one.number, gap))
            put_off += [(one.number, event) for event in parser.feed(one.item, at, wall)]
            before = one.number
        later = sorted([*kept.errors, *kept.others, *put_off], key=lambda pair: pair[0])
        return _ordered([*kept.first, *later], unseen, screened, begun)


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
