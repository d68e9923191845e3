"""Reads a whole log, however long, into the events that matter.

Of a million training lines the first and the newest are parsed. Those in between are screened (see
``screen``): an event says how many were not parsed, and no pause is learned from their stretch.
"""

from __future__ import annotations

from bisect import bisect
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from dualwatch.events import ErrorSeen, Event, LinesScreened, ObserverPaused
from dualwatch.logs.console import ConsoleParser
from dualwatch.logs.formats import LineFormat
from dualwatch.logs.screen import PutOffLines
from dualwatch.logs.timestamps import TimestampReader

TAIL = 50
HEAD_CHARS = 2 << 20

FIRST = 1_000
"""Training lines that are kept from the beginning."""

NEWEST = 2_000
"""Training lines that are kept from the end."""

OTHERS = 2_000
"""Errors that are kept, and as many events of all other kinds: the newest, too."""


class WholeLog:
    """Takes the lines of a log in their order.

    Args:
        modified: The file's own time, which replaces the stamps that a log may lack.
        formats: See ``ConsoleParser``.

    Attributes:
        head: The first lines: environment, configuration, hooks.
        tail: The last lines.
        first_wall, last_wall: Times of the first and of the last stamp; the file's without any.
    """

    def __init__(self, modified: float, formats: Sequence[LineFormat]) -> None:
        self.head: list[str] = []
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.first_wall: float | None = None
        self.last_wall = modified
        self._stamps = TimestampReader(modified)
        self._formats = formats
        self._parser = ConsoleParser(formats)
        self._open = False
        self._head_chars = 0
        # Of lines and events, in the order in which they came.
        self._number = 0
        self._training = 0
        self._first: list[tuple[int, Event]] = []
        self._errors: deque[tuple[int, Event]] = deque(maxlen=OTHERS)
        self._others: deque[tuple[int, Event]] = deque(maxlen=OTHERS)
        self._put_off = PutOffLines(NEWEST)
        self._untimed = ""
        # Stretches (after a number, before a number) of which not all is kept.
        self._unseen: list[tuple[int, int]] = []

    @property
    def year_known(self) -> bool:
        """Whether the stamps have their year; else it was guessed by the file's own time."""
        return bool(self._stamps.year_known)

    def take(self, lines: Iterable[str]) -> None:
        """The next lines, clean and bounded."""
        for line in lines:
            self._number += 1
            self.tail.append(line)
            if self._head_chars < HEAD_CHARS:
                self.head.append(line)
                self._head_chars += len(line) + 1
            if any(known.is_training_line(line) for known in self._formats):
                self._training += 1
                if self._training > FIRST and not self._open:
                    self._put_off.take(self._number, line)
                    self._untimed = line
                    continue
                self._put_off.learn(line)
            at, wall = self._time(line)
            self._keep(self._parser.feed(line, at, wall))
            self._open = self._parser.is_open

    def leap(self) -> None:
        """The lines that follow here in the file are left out."""
        self._break_off()
        self._unseen.append((self._number, self._number + 1))

    def events(self) -> tuple[Event, ...]:
        """The events of the log, when all of it was taken.

        Their wall times are those of their lines; ``at`` is seconds since the first stamp.
        """
        self._break_off()
        unseen = list(self._unseen)
        if len(self._others) == OTHERS:
            unseen.append((self._first[-1][0] if self._first else 0, self._others[0][0]))
        parser, first = ConsoleParser(self._formats), self.first_wall or self.last_wall
        put_off: list[tuple[int, Event]] = []
        between: list[tuple[int, int]] = []
        before = 0
        for one in self._put_off.parsed():
            wall = max(self._stamps.of(one.item) or first, first)
            at = wall - first
            if one.skipped:
                between.append((before, one.number))
                gap = LinesScreened(
                    at=at, wall=wall, lines=one.skipped, non_finite=one.skipped_hits
                )
                put_off.append((one.number, gap))
            put_off += [(one.number, event) for event in parser.feed(one.item, at, wall)]
            before = one.number
        later = sorted([*self._errors, *self._others, *put_off], key=lambda pair: pair[0])
        return tuple(_ordered([*self._first, *later], unseen, between))

    def _time(self, line: str) -> tuple[float, float]:
        """Both times of a line; one without a stamp has that of the last one before it."""
        stamp = self._stamps.of(line)
        if stamp is None and self._untimed:
            stamp = self._stamps.of(self._untimed)
        self._untimed = ""
        if stamp is not None:
            if self.first_wall is None:
                self.first_wall = stamp
            self.last_wall = max(stamp, self.first_wall)
        return self.last_wall - (self.first_wall or self.last_wall), self.last_wall

    def _keep(self, events: Iterable[Event]) -> None:
        is_beginning = self._training <= FIRST and len(self._first) < NEWEST and not self._others
        for event in events:
            self._number += 1
            if is_beginning:
                self._first.append((self._number, event))
            else:
                kept = self._errors if isinstance(event, ErrorSeen) else self._others
                kept.append((self._number, event))

    def _break_off(self) -> None:
        """No line follows that could belong to a traceback."""
        at, wall = self._time("")
        self._keep(self._parser.close(at, wall))
        self._open = False


def _ordered(
    story: Iterable[tuple[int, Event]],
    unseen: Iterable[tuple[int, int]],
    screened: Sequence[tuple[int, int]],
) -> Iterator[Event]:
    """Events with their numbers, in the order of their times.

    Args:
        unseen: Stretches (after, before) of which not all is kept; a pause comes for each.
        screened: Stretches of training lines that were not parsed, in their order.
    """
    stretches = list(unseen)
    starts = [after for after, _ in screened]
    known, at = 0, 0.0
    for number, event in story:
        if event.at < at:  # A clock that was set back; what comes later is not earlier.
            event = replace(event, at=at)
        seconds = event.at - at
        if isinstance(event, LinesScreened):
            event = replace(event, seconds=seconds)
        elif seconds > 0:
            index = bisect(starts, number) - 1
            if any(known < before and number > after for after, before in stretches):
                yield ObserverPaused(at=event.at, wall=event.wall, seconds=seconds)
            elif index >= 0 and number < screened[index][1]:
                # It stands among lines that were not parsed: its distance to them is not known.
                yield LinesScreened(at=event.at, wall=event.wall, lines=0, seconds=seconds)
        known, at = number, event.at
        yield event
