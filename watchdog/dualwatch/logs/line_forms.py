"""What is to be done with a line of a log, recognised by its form. Pure.

What a training prints over and over differs in its numbers only. So a line with its digits made
alike, its form, is judged once, and the answer is that for all lines of this form.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dualwatch.logs import (
    bars,
    console,
    endings,
    envelopes,
    loss_scale,
    plain_lines,
    single_errors,
    tables,
    timestamps,
    tracebacks,
)
from dualwatch.logs.bars import BarPlace
from dualwatch.logs.formats import LineFormat
from dualwatch.logs.plain_lines import Counters
from dualwatch.logs.screen import Look
from dualwatch.logs.signs import Words
from dualwatch.logs.single_errors import ErrorKey

MOST_KNOWN = 8192
"""Forms that are remembered; with more they are forgotten and begin anew."""

MOST_BYTES = 2 << 20
"""Bytes of the forms that are remembered."""

LONGEST = 1500
"""Characters of a line whose form is remembered."""

_DIGITS = bytes.maketrans(b"123456789", b"000000000")


class Role(enum.Enum):
    """What a line is for the reader of a log."""

    READ = enum.auto()
    """It is to be taken apart."""
    BLANK = enum.auto()
    DULL = enum.auto()
    """It cannot matter, but for the time that it may carry."""
    WRAPPED = enum.auto()
    """It is in the envelope of a platform."""
    TRAINING = enum.auto()
    """It has the counters of a framework's training line."""
    PROGRESS = enum.auto()
    """It reports the progress of a training, as plain scripts and trainers print it."""
    BAR = enum.auto()
    """It is one state of a progress bar whose values are finite."""
    ROW = enum.auto()
    """It begins with two numbers: a row of a table of epochs, where there is one."""
    ERROR = enum.auto()
    """It reports an error and nothing else."""


@dataclass(frozen=True, slots=True)
class LineForm:
    """What is known of all lines of a form.

    Attributes:
        minute: Where the minute of its time ends, 0 where it carries none.
        has_year: Whether that time has a year.
        tag: What a launcher put before it, "" for nothing.
        bar: Of a line of ``BAR``.
        counters: Of a line of ``PROGRESS``.
        error: Of a line of ``ERROR``.
        look: Of a line of ``TRAINING`` or ``PROGRESS``.
    """

    role: Role
    minute: int = 0
    has_year: bool = False
    tag: slice | None = None
    bar: BarPlace | None = None
    counters: Counters | None = None
    error: ErrorKey | None = None
    look: Look | None = None


_DULL = LineForm(Role.DULL)


class LineForms:
    """Remembers the forms of one log.

    Args:
        formats: See ``console.ConsoleParser``.
    """

    def __init__(self, formats: Sequence[LineFormat]) -> None:
        self._formats = formats
        self._words = Words()
        self._known: dict[bytes, LineForm] = {}
        self._bytes = 0

    def of(self, line: str) -> LineForm:
        """The form of a line; called for every line."""
        key = line.encode("utf-8", "surrogatepass").translate(_DIGITS)
        known = self._known.get(key)
        if known is not None:
            return known
        form = key.decode("utf-8", "surrogatepass")
        known = self._judged(form)
        if len(form) <= LONGEST:
            if len(self._known) >= MOST_KNOWN or self._bytes > MOST_BYTES:
                self._known.clear()
                self._bytes = 0
            self._known[key] = known
            self._bytes += len(key)
        return known

    def _judged(self, form: str) -> LineForm:
        if not form.strip():
            return LineForm(Role.BLANK)
        if envelopes.may_wrap(form):
            return LineForm(Role.WRAPPED)
        text = envelopes.text_of(form)
        tag = console.tag_of(text)
        if not tag and not self._words.has_sign(form) and not self._is_known(text):
            return _DULL
        start = len(form) - len(text)
        known = LineForm(Role.READ, tag=slice(start, start + len(tag)) if tag else None)
        stamp = timestamps.place_of(form)
        if stamp is not None:
            known = replace(known, minute=stamp.minute, has_year=stamp.has_year)
        if any(one.position(form) is not None for one in self._formats):
            return replace(known, role=Role.TRAINING, look=Look.at(form))
        return self._of_text(known, text[len(tag) :], start + len(tag))

    def _is_known(self, text: str) -> bool:
        return any(one.may_hold(text) for one in self._formats) or tables.may_be_row(text)

    def _of_text(self, known: LineForm, text: str, start: int) -> LineForm:
        """The form of a line by its text, which begins at ``start``."""
        if bars.may_hold(text):
            place = bars.place_of(text) if not (start or known.minute) else None
            if place is not None:
                return replace(known, role=Role.BAR, bar=place)
            if bars.split(text)[0] is not None:
                return known
        level, body = "", text
        for one in self._formats:
            level, body = one.split_prefix(text)
            if level:
                break
        if (
            any(one.may_hold(text) for one in self._formats)
            or loss_scale.may_hold(text)
            or tracebacks.may_hold(text)
            or (not level and endings.may_report(text))
            or "terminat" in body
        ):
            return known
        error = single_errors.parse(level, body, 0.0, 0.0)
        if plain_lines.may_matter(text):
            counters = plain_lines.counters(text, start) if error is None else None
            if counters is None:
                return known
            return replace(known, role=Role.PROGRESS, counters=counters, look=Look.at(text))
        if error is not None:
            return replace(known, role=Role.ERROR, error=single_errors.key(error))
        return replace(known, role=Role.ROW if tables.may_be_row(text) else Role.DULL)
