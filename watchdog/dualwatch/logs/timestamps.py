"""The time that a line carries, as it was written on the machine that wrote it.

Nearly every program that prints around a training has its own form:

* ``2024/03/04 10:00:30 - ``, ``2024-03-04 10:00:30,100 - ``, the same without a year;
* ``[2024-03-04 10:00:30,100] ``, ``INFO:2024-03-04 10:00:30 ``, ``[INFO|file.py:12] 2024-...``;
* ISO 8601, ``2024-03-04T10:00:30.5+08:00``, also within ``CANCELLED AT 2024-03-04T10:01:05``;
* ``E0304 10:00:30.5 4711 file.py:12] ``, ``[W304 10:00:30.5 file.cpp:12] ``,
  ``[03/04 10:00:30 x]``;
* ``03/04/2024 10:00:30 - ``, ``Mar  4 10:00:30 host x: ``, ``Mon Mar  4 10:00:30 UTC 2024``,
  ``time : 2024-03-04_10:00:30``, ``2024年 03月 04日 星期一 10:00:30``.

A zone is not converted: what is shown later are the digits of the log. A stamp without a year gets
one only for the order of the lines; whether the year is known is a question of its own.
"""

from __future__ import annotations

import re
import time
from collections import deque
from typing import NamedTuple

from dualwatch.events import LogClock

_CLOCK = re.compile(r"(?:\d[T_ ]|\d - |日.{0,12}?)\d\d:\d\d:\d\d")
_LINE_CHARS = 120
"""A time further inside a line is what the line is about, not when it was written."""

_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:[,.](?P<fraction>\d{1,9}))?(?![\d:])"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME = r"(?P<name>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_WEEKDAY = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? +"
# What loggers, launchers and containers put before the time: a level, a name, a rank, a file.
_LEAD = (
    r"(?:\[?[A-Z]{4,8}\]?[:|\s] ?|\[[^\[\]\n]{1,60}\]:? ?|\([^()\n]{1,40}\) ?"
    r"|[A-Za-z_][\w.-]{0,40} {0,8}\|\s{0,2}|[A-Za-z_][\w.-]{0,40}: |\d{1,5}: ){0,3}[\[(<]?"
)

_STAMP = re.compile(
    r"(?:\[[A-Za-z_]+\d{1,6}\]: ?){0,2}"  # a rank, as torchrun prints it
    r"(?:(?P<year>\d{4})[/-])?(?P<month>\d\d)[/-](?P<day>\d\d) "
    r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:,(?P<fraction>\d{3}))? - "
)
"""The usual form: found without trying the others."""

_FORMS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_LEAD}(?P<year>\d{{4}})[/.-](?P<month>\d\d?)[/.-](?P<day>\d\d?)(?:[T_ ]| - ){_TIME}",
        rf"{_LEAD}(?P<month>\d\d)/(?P<day>\d\d)/(?P<year>\d{{4}}) {_TIME}",
        rf"{_LEAD}(?P<month>\d\d)[/-](?P<day>\d\d) {_TIME}",
        rf"(?:\[[A-Za-z_]+\d{{1,6}}\]: ?)?\[?[IWEF](?P<month>\d?\d)(?P<day>\d\d) {_TIME}",
        rf"{_LEAD}(?:{_WEEKDAY})?{_NAME} +(?P<day>\d\d?) {_TIME}"
        r"(?: (?:[A-Z]{2,5} )?(?P<year>\d{4})\b)?",
        rf"(?P<year>\d{{4}})年 ?(?P<month>\d\d?)月 ?(?P<day>\d\d?)日.{{0,12}}?{_TIME}",
        rf".{{0,300}}?\b(?:at|time *:) (?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)[T_]{_TIME}",
    )
)  # fmt: skip
_DATED = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)[_-](?P<time>\d{6})(?!\d)"
)
_DAY_S = 86400.0

MOST_NAMES = 100
"""Lines with a dated name, before the first stamp, that are kept: the newest."""


class TimestampReader:
    """Times of the lines of one log, in their order: most share their minute with the one before.

    Args:
        before: As for ``logged_at``.

    Attributes:
        clock: What is known of the times so far.
    """

    def __init__(self, before: float | None = None) -> None:
        self.clock = LogClock.NONE
        self._before = before
        self._minute = ""
        self._minute_at: float | None = None
        # A time whose year is known; stamps without a year are of the year nearest to it.
        self._anchor: float | None = None
        self._guessed: float | None = None
        self._off = 0.0
        self._names: deque[str] = deque(maxlen=MOST_NAMES)

    def of(self, line: str) -> float | None:
        """Seconds since the epoch of a line's stamp, None where it has none."""
        match = _stamp(line)
        if match is None:
            return None
        minute = line[: match.start("second")]
        if minute != self._minute:
            self._minute = minute
            self._minute_at = _at(match, self._before, self._anchor)
        at = self._minute_at
        if at is None:
            return None
        if _has_year(match):
            if self._anchor is None:
                self._settle(at)
            self.clock = LogClock.FULL
        elif self._anchor is None:
            self.clock = LogClock.NO_YEAR
            if self._guessed is None:
                self._guessed = at
                for text in self._names:
                    self.take_name(text)
        fraction = match["fraction"]
        return at + int(match["second"]) + (float(f"0.{fraction}") if fraction else 0)

    def take_name(self, text: str) -> None:
        """Looks for a name that dates the log, as ``retinanet_20240917_055530``.

        It counts if it is of the day of the first stamp without a year, or of the day before.
        """
        if self.clock is LogClock.FULL or _DATED.search(text) is None:
            return
        if self._guessed is None:
            self._names.append(text)
            return
        day = time.localtime(self._guessed)
        for match in _DATED.finditer(text):
            found = _seconds(int(match["year"]), int(match["month"]), int(match["day"]))
            if found is None:
                continue
            meant = _nearest(found, day.tm_mon, day.tm_mday, 0, 0)
            if meant is not None and -_DAY_S <= meant - found <= 2 * _DAY_S:
                self._settle(meant)
                return

    def correction(self) -> float:
        """Seconds to add to all times that were given before the year became known; once."""
        off, self._off = self._off, 0.0
        return off

    def _settle(self, anchor: float) -> None:
        """The year is known from here on."""
        self._anchor, self._minute, self.clock = anchor, "", LogClock.FULL
        if self._guessed is None:
            return
        then = time.localtime(self._guessed)
        meant = _nearest(anchor, then.tm_mon, then.tm_mday, then.tm_hour, then.tm_min)
        self._off = meant - self._guessed if meant is not None else 0.0


def may_hold(line: str) -> bool:
    """Whether a line can carry a time: much cheaper than looking for it."""
    return ":" in line and _CLOCK.search(line, 0, 400) is not None


def has_stamp(line: str) -> bool:
    """Whether a line begins with a time, or has one soon."""
    return _stamp(line) is not None


SIGNS = (":00:00",)
"""This is in a word of each line with a time, its digits made 0."""


class StampPlace(NamedTuple):
    """Where the minute of a line's stamp ends, and whether the stamp has a year."""

    minute: int
    has_year: bool


def place_of(line: str) -> StampPlace | None:
    """The place of a line's stamp, None where it has none: the same whatever its digits are."""
    match = _stamp(line)
    return StampPlace(match.start("second"), _has_year(match)) if match is not None else None


def may_date(line: str) -> bool:
    """Whether a line holds a name with a date."""
    return "20" in line and _DATED.search(line) is not None


def logged_at(line: str, *, before: float | None = None) -> float | None:
    """Seconds since the epoch of a line's stamp, None where it has none.

    Args:
        line: A line of a logger.
        before: A time that the line cannot be later than, as the file's own; a stamp without a
            year gets the last one that fits. Without it they give None.
    """
    match = _stamp(line)
    if match is None:
        return None
    minute = _at(match, before)
    if minute is None:
        return None
    fraction = match["fraction"]
    return minute + int(match["second"]) + (float(f"0.{fraction}") if fraction else 0)


def _stamp(line: str) -> re.Match[str] | None:
    match = _STAMP.match(line)
    if match is not None:
        return match
    # Most lines have no date in front of a time of day, and end here.
    if not may_hold(line):
        return None
    is_near = _CLOCK.search(line, 0, _LINE_CHARS) is not None
    for form in _FORMS if is_near else _FORMS[-1:]:
        match = form.match(line)
        if match is not None:
            return match
    return None


def _has_year(match: re.Match[str]) -> bool:
    return "year" in match.re.groupindex and match["year"] is not None


def _at(match: re.Match[str], before: float | None, anchor: float | None = None) -> float | None:
    """The time of a stamp's minute."""
    parts = match.groupdict()
    name = parts.get("name")
    month = _MONTHS.index(name.lower()[:3]) + 1 if name else int(parts["month"])
    day, clock = int(parts["day"]), (int(parts["hour"]), int(parts["minute"]))
    if clock[0] > 23 or clock[1] > 59 or int(parts["second"]) > 60:
        return None
    if parts.get("year") is not None:
        found = _seconds(int(parts["year"]), month, day, *clock)
        if found is None and month > 12:
            found = _seconds(int(parts["year"]), day, month, *clock)  # 13/03/2024
        return found
    if anchor is not None:
        return _nearest(anchor, month, day, *clock)
    if before is None:
        return None
    this_year = time.localtime(before).tm_year
    # A day of grace, for clocks and time zones that differ; four years back for 29 February.
    candidates = (_seconds(this_year + 1 - back, month, day, *clock) for back in range(6))
    return next((at for at in candidates if at is not None and at <= before + _DAY_S), None)


def _nearest(anchor: float, month: int, day: int, hour: int, minute: int) -> float | None:
    """A time of the year in the year that brings it nearest to another time."""
    year = time.localtime(anchor).tm_year
    found = (_seconds(year + more, month, day, hour, minute) for more in range(-4, 5))
    known = [at for at in found if at is not None]
    return min(known, key=lambda at: abs(at - anchor), default=None)


def _seconds(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> float | None:
    if not 1970 <= year <= 2200:
        return None
    try:
        seconds = time.mktime((year, month, day, hour, minute, 0, 0, 0, -1))
    except (OverflowError, ValueError):
        return None
    # mktime turns 30 February into 2 March: such a stamp is none.
    return seconds if time.localtime(seconds)[:3] == (year, month, day) else None
