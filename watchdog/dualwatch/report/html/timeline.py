"""When what was going on: a band for each attempt, with stalls on it and numbered events above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from dualwatch.core import units
from dualwatch.history.model import AttemptHistory, PhaseSpan, RunHistory, TimelineMark
from dualwatch.history.phases import KINDS
from dualwatch.report.html import axes
from dualwatch.report.html.axes import Tick

COLUMNS = 500
"""Grains of a band; of what is shorter the longest in a grain is shown."""

STALL = "stalled"
MOST_EVENTS = 60
NEAR = 5.5
"""Percent: events nearer than this share a flag."""

_SHOWN = ("finding", "cure", "rerun", "end", "paused", "decision")


@dataclass(slots=True)
class Block:
    """A piece of a band, in percent."""

    left: float
    width: float
    what: str

    @property
    def name(self) -> str:
        """Its class in the style sheet."""
        return self.what.replace(" ", "-")


@dataclass(slots=True)
class Band:
    """An attempt."""

    label: str
    blocks: list[Block]
    said: str


@dataclass(slots=True)
class TimelineEvent:
    """An event in the list below, and the number of its flag."""

    number: int
    clock: str
    mark: TimelineMark


@dataclass(slots=True)
class Timeline:
    """Ready to be drawn."""

    bands: list[Band]
    flags: list[tuple[float, str]]
    events: list[TimelineEvent]
    across: list[Tick]
    kinds: list[Block]
    summary: str
    head: list[str]
    rows: list[list[str]]
    left_out: int = 0
    label: str = ""
    day: str = ""
    names: list[str] = field(default_factory=list)


def timeline(chapter: RunHistory) -> Timeline | None:
    """The timeline of a run; None where nothing of its course is known."""
    if not chapter.spans:
        return None
    scale = axes.Scale(chapter.first, max(chapter.last, chapter.first + 1))
    bands = [_band(chapter, attempt, scale) for attempt in chapter.attempts]
    marks = [mark for mark in chapter.marks if mark.kind in _SHOWN]
    events = [
        TimelineEvent(number, units.time_of_day(mark.wall), mark)
        for number, mark in enumerate(marks[:MOST_EVENTS], start=1)
    ]
    used = {block.what for band in bands for block in band.blocks}
    return Timeline(
        bands=bands,
        flags=_flags(events, scale),
        events=events,
        across=axes.clocks(scale, 5),
        kinds=[Block(0, 0, kind) for kind in (*KINDS, STALL) if kind in used],
        summary=_summary(chapter),
        head=["attempt", "from", "to", "how it ended", *KINDS, STALL],
        rows=[_row(chapter, attempt) for attempt in chapter.attempts],
        left_out=max(0, len(marks) - MOST_EVENTS),
        label=chapter.label,
        day=units.clock(chapter.first)[:10],
    )


def silent(chapter: RunHistory, attempt: int) -> float:
    """Seconds of an attempt that its stalls took."""
    return sum(
        max(0.0, (stall.until or chapter.last) - stall.since)
        for stall in chapter.stalls
        if stall.attempt == attempt
    )


def how_ended(chapter: RunHistory, attempt: AttemptHistory) -> str:
    """``exit code 0``, ``SIGTERM``; what is not known says so."""
    if attempt.ended is None:
        if chapter.alive:
            return "still running"
        return "end not on record"
    if attempt.ended.signal:
        return attempt.ended.signal
    code = attempt.ended.exit_code
    return "exit code not known" if code is None else f"exit code {code}"


def _band(chapter: RunHistory, attempt: AttemptHistory, scale: axes.Scale) -> Band:
    spans = [span for span in chapter.spans if span.attempt == attempt.number]
    stalls = [
        PhaseSpan(attempt.number, STALL, stall.since, stall.until or chapter.last)
        for stall in chapter.stalls
        if stall.attempt == attempt.number
    ]
    end = units.time_of_day(attempt.end) if attempt.end is not None else "?"
    said = f"{units.time_of_day(attempt.begun)} to {end}, {how_ended(chapter, attempt)}"
    if attempt.replaced:
        said += f", loader replaced in place {attempt.replaced} x"
    label = f"attempt {attempt.number}" if chapter.supervised else "the log"
    return Band(label, _blocks(spans, scale) + _blocks(stalls, scale, least=0.6), said)


def _blocks(spans: Sequence[PhaseSpan], scale: axes.Scale, least: float = 0.0) -> list[Block]:
    """Pieces of a band. What is shorter than a grain gives way to the longest in that grain."""
    grain = (scale.high - scale.low) / COLUMNS
    longest: dict[int, dict[str, float]] = {}
    for span in spans:
        first = int((span.start - scale.low) / grain)
        last = min(COLUMNS - 1, int((span.end - scale.low) / grain))
        for column in range(first, last + 1):
            begin = scale.low + column * grain
            share = min(span.end, begin + grain) - max(span.start, begin)
            held = longest.setdefault(column, {})
            held[span.what] = held.get(span.what, 0.0) + share
    chosen = [
        (column, max(held, key=lambda what: held[what])) for column, held in sorted(longest.items())
    ]
    blocks = []
    for (what, _), run in groupby(chosen, key=_following()):
        columns = [column for column, _ in run]
        left = 100 * columns[0] / COLUMNS
        width = max(least, 100 * len(columns) / COLUMNS)
        blocks.append(Block(round(min(left, 100 - width), 2), round(width, 2), what))
    return blocks


class _following:
    """Key of neighbouring columns that hold the same: a gap begins another piece."""

    def __init__(self) -> None:
        self._before, self._runs = -2, 0

    def __call__(self, item: tuple[int, str]) -> tuple[str, int]:
        column, what = item
        self._runs += column != self._before + 1
        self._before = column
        return what, self._runs


def _flags(events: Sequence[TimelineEvent], scale: axes.Scale) -> list[tuple[float, str]]:
    """Places and numbers above the bands; neighbours share one."""
    groups: list[list[TimelineEvent]] = []
    for event in events:
        at = scale.percent(event.mark.wall)
        if groups and at - scale.percent(groups[-1][0].mark.wall) < NEAR:
            groups[-1].append(event)
        else:
            groups.append([event])
    return [
        (
            scale.percent(group[0].mark.wall),
            str(group[0].number)
            if len(group) == 1
            else f"{group[0].number}\u2013{group[-1].number}",
        )
        for group in groups
    ]


def _summary(chapter: RunHistory) -> str:
    took = units.span(chapter.last - chapter.first)
    count = len(chapter.attempts)
    attempts = f"{count} attempts" if count != 1 else "one attempt"
    if not chapter.supervised:
        return f"{took} of log, from {units.clock(chapter.first)} to {units.clock(chapter.last)}."
    stalls = len(chapter.stalls)
    lost = sum(silent(chapter, attempt.number) for attempt in chapter.attempts)
    stood = f"it stood still {stalls} x, {units.span(lost)} in all" if stalls else "no stall"
    return (
        f"{took} from {units.clock(chapter.first)} to {units.clock(chapter.last)}: "
        f"{attempts}, {stood}."
    )


def _row(chapter: RunHistory, attempt: AttemptHistory) -> list[str]:
    sums = dict.fromkeys(KINDS, 0.0)
    for span in chapter.spans:
        if span.attempt == attempt.number and span.what in sums:
            sums[span.what] += span.end - span.start
    stood = silent(chapter, attempt.number)
    end = units.time_of_day(attempt.end) if attempt.end is not None else "?"
    return [
        str(attempt.number) if chapter.supervised else "the log",
        units.time_of_day(attempt.begun),
        end,
        how_ended(chapter, attempt),
        *(units.span(value) if value else "-" for value in sums.values()),
        units.span(stood) if stood else "-",
    ]
