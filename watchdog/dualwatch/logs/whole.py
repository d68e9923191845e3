"""Reads a whole log, however long, into the events that matter.

Of a million training lines the first and the newest of each start are parsed. Those in between are
screened (see ``screen``): an event says how many were not parsed, and no pause is learned from
their stretch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from msgspec.structs import replace

from dualwatch.events import ErrorSeen, LogClock
from dualwatch.logs import envelopes, kept_start
from dualwatch.logs.console import ConsoleParser
from dualwatch.logs.formats import LineFormat
from dualwatch.logs.kept_start import KeptStart, LogStart
from dualwatch.logs.line_forms import LineForm, LineForms, Role
from dualwatch.logs.plain_lines import Counters
from dualwatch.logs.starts import Position, StartFinder
from dualwatch.logs.timestamps import TimestampReader, may_date

TAIL = 50
STARTS = 50
"""Starts that are kept, the newest; of older ones only their number is known."""

FEW = 4


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
        self._forms = LineForms(formats)
        self._open, self._idle = False, True
        # Tags of the lines that were passed since one was read, and the minute of the newest.
        self._passed: set[str] = set()
        self._minute = ""
        # The newest line of progress, and whether such lines were put off since one was read.
        self._shown = Position(0, 0, 0), ""
        self._progressed = False
        self._read_at = 0.0, modified
        self._clock = LogClock.NONE
        # Of lines and events, in the order in which they came.
        self._number = 0
        self._untimed = ""
        self._now = KeptStart(0, modified)
        self._older: deque[KeptStart] = deque()

    @property
    def clock(self) -> LogClock:
        """What is known of its times; a year that is not known is guessed by the file's own."""
        return self._stamps.clock

    @property
    def _has_year(self) -> bool:
        return self._stamps.clock is LogClock.FULL

    def take(self, lines: Sequence[str]) -> None:
        """The next lines, clean and bounded."""
        for line in lines:
            form = self._forms.of(line)
            if form.role is not Role.WRAPPED:
                self._take(line, form)
                continue
            for part in envelopes.unwrapped(line).split("\n"):
                self._take(part, self._forms.of(part))
        newest = "\n".join(map(envelopes.unwrapped, lines[-TAIL:]))
        self.tail.extend(newest.split("\n") if lines else ())

    def _take(self, line: str, form: LineForm) -> None:
        self._number += 1
        if not self._is_passed(line, form):
            self._read(line)
            if form.bar is not None:
                self._parser.drawn(line, form.bar)
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
            events = tuple(kept.story(self._formats, self._stamps.of, first, at))
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

    def _is_passed(self, line: str, form: LineForm) -> bool:
        """Whether a line need not be taken apart now."""
        role = form.role
        if role is Role.TRAINING:
            return self._is_training_put_off(line, form)
        if role is Role.BAR and form.bar is not None:
            is_drawn = not self._untimed and self._parser.redraws(line, form.bar, *self._read_at)
            if is_drawn:
                self._now.open_with(line)
            return is_drawn
        if (
            not self._idle
            or role in (Role.READ, Role.WRAPPED)
            or (role is Role.ROW and self._parser.has_table)
        ):
            return False
        if role is Role.PROGRESS:
            return self._is_progress_put_off(line, form)
        if not self._may_pass(line, form):
            return False
        if role is Role.ERROR:
            if form.error is None or not self._parser.repeats(form.error):
                return False
        elif role is not Role.BLANK:
            self._passed.add(line[form.tag] if form.tag is not None else "")
        self._take_time(line, form)
        self._now.open_with(line)
        return True

    def _may_pass(self, line: str, form: LineForm) -> bool:
        """Whether nothing more is learned from the time of a line, and none from its names."""
        if form.minute and (self.first_wall is None or form.has_year > self._has_year):
            return False
        return self._has_year or not may_date(line)

    def _take_time(self, line: str, form: LineForm) -> None:
        """Takes the time of a line that is not taken apart: of those of a minute the last."""
        if not form.minute:
            return
        minute = line[: form.minute]
        if minute == self._minute:
            self._untimed = line
        else:
            self._minute = minute
            self._time(line)

    def _is_training_put_off(self, line: str, form: LineForm) -> bool:
        """Takes the counters of a framework's training line; whether that is all for now."""
        for known in self._formats:
            position = known.position(line)
            if position is not None:
                break
        if position is None or form.look is None:
            return False
        kept = self._now
        if self._finder.falls(position):
            self._break_off()
            at_this = self._time(line)[1]
            self._finder.begin(at_this, position)
            self._begin(at_this)
            kept = self._now
        kept.training += 1
        kept.resumed = self._finder.is_resumed
        if kept.is_opening or self._open:
            kept.put_off.learn(line)
            return False
        kept.put_off.take(self._number, line, form.look)
        self._untimed = line
        return True

    def _is_progress_put_off(self, line: str, form: LineForm) -> bool:
        """Takes the counters of a line that a script or a trainer prints; whether that is all."""
        counters = form.counters
        if counters is None or form.look is None:
            return False
        if form.minute and (self.first_wall is None or form.has_year > self._has_year):
            return False
        if counters.epoch is None and self._parser.is_announced:
            return False
        position = counters.of(line)
        (before, shown), self._shown = self._shown, (position, line)
        if position < before and self._may_begin(position, before, counters):
            if self._progressed:  # It does by how far the last line was.
                for event in self._parser.feed(shown, *self._read_at):
                    self._finder.begins(event)
            return False
        kept = self._now
        kept.training += 1
        if kept.is_opening:
            kept.put_off.learn(line)
            return False
        kept.put_off.take(self._number, line, form.look)
        self._progressed = True
        if form.minute:
            self._untimed = line
        return True

    def _may_begin(self, position: Position, before: Position, counters: Counters) -> bool:
        """Whether lower counters can be those of another start."""
        is_epoch = counters.epoch is None or position.epoch < before.epoch
        return is_epoch or self._finder.has_failed

    def _read(self, line: str) -> None:
        """Takes a line apart."""
        if self._progressed:
            self._parser.progressed()
            self._progressed = False
        if self._passed:
            self._parser.passed(self._passed)
            self._passed.clear()
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
        self._open, self._idle = self._parser.is_open, self._parser.is_idle

    def _begin(self, wall: float) -> None:
        """Another start begins with the present line, or with the stamp before it."""
        if self._now.last_wall == wall:
            self._now.last_wall = self._now.before_wall
        self._older.append(self._now)
        self._now = KeptStart(self._number, wall)
        if len(self._older) >= STARTS:
            self._older.popleft()
            self.dropped += 1
        if len(self._older) > FEW:
            self._older[-FEW - 1].thin()
        spare = sum(len(kept.put_off) for kept in self._older) - kept_start.NEWEST
        for kept in self._older:
            fewer = min(spare, len(kept.put_off) - 1)
            if fewer > 0:
                kept.put_off.thin(fewer)
                spare -= fewer

    def _time(self, line: str) -> tuple[float, float]:
        """Both times of a line; one without a stamp has that of the last one before it."""
        if self._untimed:
            untimed, self._untimed = self._untimed, ""
            self._time(untimed)
        stamp = self._stamps.of(line)
        if self._stamps.clock is not LogClock.FULL and may_date(line):
            self._stamps.take_name(line)
        if self._stamps.clock is not self._clock:
            self._clock = self._stamps.clock
            self._correct()
            stamp = self._stamps.of(line) if stamp is not None else None
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
        self._open, self._idle = False, True
