"""The timeline: a band of phases for each attempt with its stalls, and numbered events above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from dualwatch.core import units
from dualwatch.history.phases import KINDS, PhaseSpan
from dualwatch.history.reported_run import ReportedRun
from dualwatch.history.run import AttemptHistory
from dualwatch.history.timeline import MarkKind, TimelineMark
from dualwatch.report.html import axes
from dualwatch.report.html.axes import Tick

COLUMNS = 500
"""Columns of a band; each shows its longest phase."""

STALL = "stalled"
MOST_EVENTS = 60
NEAR = 5.5
"""Percent of the width: events nearer than this share a flag."""

_SHOWN = frozenset(MarkKind) - {MarkKind.CHECKPOINT}


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


def timeline(run: ReportedRun) -> Timeline | None:
    """The timeline of a run; None where no phase is known."""
    if not run.timeline.spans:
        return None
    scale = axes.Scale(run.timeline.first, max(run.timeline.last, run.timeline.first + 1))
    bands = [_band(run, attempt, scale) for attempt in run.attempts]
    known = sorted(run.timeline.marks, key=lambda mark: mark.wall)
    marks = [mark for mark in known if mark.kind in _SHOWN]
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
        summary=_summary(run),
        head=["attempt", "from", "to", "how it ended", *KINDS, STALL],
        rows=[_row(run, attempt) for attempt in run.attempts],
        left_out=max(0, len(marks) - MOST_EVENTS),
        label=run.label,
        day=units.clock(run.timeline.first)[:10],
    )


def silent(run: ReportedRun, attempt: int) -> float:
    """Seconds of an attempt that its stalls took."""
    return sum(
        max(0.0, (stall.until or run.timeline.last) - stall.since)
        for stall in run.timeline.stalls
        if stall.attempt == attempt
    )


def how_ended(run: ReportedRun, attempt: AttemptHistory) -> str:
    """``exit code 0``, ``SIGTERM``, or that it is not known."""
    if attempt.ended is None:
        if run.alive:
            return "still running"
        return "end not on record"
    if attempt.ended.signal:
        return attempt.ended.signal
    code = attempt.ended.exit_code
    return units.exit_code(code)


def _band(run: ReportedRun, attempt: AttemptHistory, scale: axes.Scale) -> Band:
    spans = [span for span in run.timeline.spans if span.attempt == attempt.number]
    stalls = [
        PhaseSpan(attempt.number, STALL, stall.since, stall.until or run.timeline.last)
        for stall in run.timeline.stalls
        if stall.attempt == attempt.number
    ]
    end = units.time_of_day(attempt.ended_wall) if attempt.ended_wall is not None else "?"
    said = f"{units.time_of_day(attempt.begun)} to {end}, {how_ended(run, attempt)}"
    if attempt.snapshot.replaced:
        said += f", loader replaced in place {attempt.snapshot.replaced} x"
    label = f"attempt {attempt.number}" if run.supervised else "the log"
    return Band(label, _blocks(spans, scale) + _blocks(stalls, scale, least=0.6), said)


def _blocks(spans: Sequence[PhaseSpan], scale: axes.Scale, least: float = 0.0) -> list[Block]:
    """Pieces of a band: of each column the longest phase."""
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
    """Groups neighbouring columns of the same phase: a gap begins another piece."""

    def __init__(self) -> None:
        self._before, self._runs = -2, 0

    def __call__(self, item: tuple[int, str]) -> tuple[str, int]:
        column, what = item
        self._runs += column != self._before + 1
        self._before = column
        return what, self._runs


def _flags(events: Sequence[TimelineEvent], scale: axes.Scale) -> list[tuple[float, str]]:
    """Places and numbers above the bands; near events share one."""
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


def _summary(run: ReportedRun) -> str:
    took = units.span(run.timeline.last - run.timeline.first)
    when = f"from {units.clock(run.timeline.first)} to {units.clock(run.timeline.last)}"
    count = len(run.attempts)
    attempts = f"{count} attempts" if count != 1 else "one attempt"
    if not run.supervised:
        return f"{took} of log, {when}."
    stalls = len(run.timeline.stalls)
    lost = sum(silent(run, attempt.number) for attempt in run.attempts)
    stalled = f"it stalled {stalls} x, {units.span(lost)} in all" if stalls else "no stall"
    return (
        f"{took} from {units.clock(run.timeline.first)} to {units.clock(run.timeline.last)}: "
        f"{attempts}, {stalled}."
    )


def _row(run: ReportedRun, attempt: AttemptHistory) -> list[str]:
    sums = dict.fromkeys(KINDS, 0.0)
    for span in run.timeline.spans:
        if span.attempt == attempt.number and span.what in sums:
            sums[span.what] += span.end - span.start
    silence = silent(run, attempt.number)
    end = units.time_of_day(attempt.ended_wall) if attempt.ended_wall is not None else "?"
    return [
        str(attempt.number) if run.supervised else "the log",
        units.time_of_day(attempt.begun),
        end,
        how_ended(run, attempt),
        *(units.span(value) if value else "-" for value in sums.values()),
        units.span(silence) if silence else "-",
    ]
