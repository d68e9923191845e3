"""The time that a logger printed in front of its line, in the local time zone of that machine."""

from __future__ import annotations

import re
import time

_STAMP = re.compile(
    r"(?:\[[A-Za-z_]+\d{1,6}\]: ?){0,2}"  # a rank, as torchrun prints it
    r"(?:(?P<year>\d{4})[/-])?(?P<month>\d\d)[/-](?P<day>\d\d) "
    r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:,(?P<milli>\d{3}))? - "
)


class TimestampReader:
    """Times of the lines of one log, in their order: most share their minute with the one before.

    Args:
        before: As for ``logged_at``.

    Attributes:
        year_known: Whether a stamp had its year; None before the first one.
    """

    def __init__(self, before: float | None = None) -> None:
        self.year_known: bool | None = None
        self._before = before
        self._minute = ""
        self._minute_at: float | None = None

    def of(self, line: str) -> float | None:
        """Seconds since the epoch of a line's stamp, None where it has none."""
        match = _STAMP.match(line)
        if match is None:
            return None
        minute = line[: match.start("second")]
        if minute != self._minute:
            self._minute = minute
            self._minute_at = logged_at(f"{minute}00 - ", before=self._before)
        if self._minute_at is None:
            return None
        self.year_known = self.year_known or match["year"] is not None
        return self._minute_at + int(match["second"]) + int(match["milli"] or 0) / 1000


def logged_at(line: str, *, before: float | None = None) -> float | None:
    """Seconds since the epoch of a line's stamp, None where it has none.

    Args:
        line: A line of a logger.
        before: A time that the line cannot be later than, as the file's own; the console's
            stamps have no year, and get the last one that fits. Without it they give None.
    """
    match = _STAMP.match(line)
    if match is None:
        return None
    parts = {key: int(value) for key, value in match.groupdict().items() if value is not None}
    milli = parts.pop("milli", 0) / 1000
    if "year" in parts:
        stamp = _seconds(parts["year"], parts)
        return None if stamp is None else stamp + milli
    if before is None:
        return None
    this_year = time.localtime(before).tm_year
    # A day of grace, for clocks and time zones that differ; four years back for 29 February.
    candidates = (_seconds(this_year + 1 - back, parts) for back in range(6))
    return next((at + milli for at in candidates if at is not None and at <= before + 86400), None)


def _seconds(year: int, parts: dict[str, int]) -> float | None:
    month, day = parts["month"], parts["day"]
    clock = (parts["hour"], parts["minute"], parts["second"])
    try:
        seconds = time.mktime((year, month, day, *clock, 0, 0, -1))
    except (OverflowError, ValueError):
        return None
    # mktime turns 30 February into 2 March: such a stamp is none.
    return seconds if time.localtime(seconds)[:3] == (year, month, day) else None
