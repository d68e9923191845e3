"""The events of a training from its files: its journal, or the log of any training."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from dualwatch.collectors.processes.orphans import RecordedAttempt
from dualwatch.core.clock import Moment
from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    ConsoleGrew,
    Event,
    RunStarted,
    journal,
    sampling,
)
from dualwatch.history.run import AttemptHistory, RunHistory, fold
from dualwatch.logs.kept_start import LogStart

SAME_CLOCK_S = 5.0


def read_journal(path: Path, now: Moment) -> Iterator[Event]:
    """The events of the newest run of a journal, ``at`` on our own clock.

    All are shifted by the same amount: what lies between two events is as it was measured, also
    where the wall clock was set while the run was recorded.
    """
    start = journal.newest(path, RunStarted)
    shift = _shift(journal.ends(path, start), now)
    for event in journal.read(path, start):
        yield replace(event, at=event.at + shift) if shift else event


def recorded_run(folder: Path) -> RunHistory:
    """The newest run that dualwatch recorded.

    Args:
        folder: ``WORK_DIR/dualwatch``.
    """
    path = folder / "journal.jsonl"
    run = fold(journal.read(path, journal.newest(path, RunStarted)))
    lost = lost_iterations(folder / "summary.json")
    for attempt in run.attempts:
        attempt.lost_iterations = lost.get(attempt.number)
    return run


def recorded_attempts(folder: Path) -> Iterator[RecordedAttempt]:
    """All attempts in the journals of a ``WORK_DIR/dualwatch``, of earlier runs too."""
    for path in (folder / "journal.jsonl", *folder.glob("earlier/*/journal.jsonl")):
        attempts: list[AttemptHistory] = []
        with contextlib.suppress(OSError):
            attempts = fold(_starts_and_ends(path)).attempts
        for attempt in attempts:
            if (started := attempt.started) is not None:
                place = path.parent / f"attempt-{started.attempt}"
                is_over = attempt.ended is not None
                yield RecordedAttempt(place, started.pid, started.create_time, is_over)


def _starts_and_ends(path: Path) -> Iterator[Event]:
    return sampling.sample(path, {AttemptStarted: None, AttemptEnded: None})


def lost_iterations(summary: Path) -> dict[int, int]:
    """Attempt -> iterations that it lost; empty where the summary is unreadable."""
    try:
        attempts: Any = json.loads(summary.read_text(encoding="utf-8"))["attempts"]
        return {int(one["number"]): int(one["lost_iterations"]) for one in attempts}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def of_log(starts: Sequence[LogStart], now: Moment, started: AttemptStarted) -> list[list[Event]]:
    """The events of each start of a log as those of an attempt; each line is a sign of progress.

    Args:
        starts: As the reader of logs gives them, oldest first; with none, the process alone.
        started: The process of the newest one, which a log does not name.
    """
    if not starts:
        return [[replace(started, at=_at(started.wall, now))]]
    *older, newest = starts
    attempts: list[list[Event]] = []
    for start in older:
        begun = replace(started, pid=0, create_time=start.first_wall, command=())
        attempts.append(_attempt(start, now, begun, len(attempts), start.first_wall))
    wall = min(newest.first_wall, started.wall)
    return [*attempts, _attempt(newest, now, started, len(attempts), wall)]


def _attempt(
    start: LogStart, now: Moment, started: AttemptStarted, number: int, wall: float
) -> list[Event]:
    events = [replace(event, at=_at(event.wall, now)) for event in start.events]
    at = _at(wall, now)
    begun = replace(
        started,
        at=at,
        wall=wall,
        attempt=number,
        continues=start.resumed,
        clock=start.clock,
        log=start.path.name if start.path is not None else started.log,
    )
    grown = [begun, *_with_growth(events)]
    if start.last_wall > grown[-1].wall and start.last_line:
        # The last line that carries a time need not be one that states something.
        last = _at(start.last_wall, now)
        grown.append(
            ConsoleGrew(at=last, wall=start.last_wall, lines=len(events) + 1, last_line="")
        )
    return grown


def since(events: Iterable[Event], wall: float) -> list[Event]:
    """Events that are newer than a wall time."""
    return [event for event in events if event.wall > wall]


def _with_growth(events: Sequence[Event]) -> Iterator[Event]:
    """Adds a sign of progress after each line, for a training without a heartbeat."""
    for number, event in enumerate(events, start=1):
        yield event
        if number == len(events) or events[number].wall > event.wall:
            yield ConsoleGrew(at=event.at, wall=event.wall, lines=number, last_line="")


def _shift(ends: Sequence[Event], now: Moment) -> float:
    """Seconds to add to the monotonic times of a run, so that they are on our own clock.

    A monotonic time is only valid on the machine and in the boot in which it was read. It was this
    boot where both clocks agree at either end of the run.
    """
    shifts = [_at(event.wall, now) - event.at for event in ends]
    if not shifts or min(map(abs, shifts)) < SAME_CLOCK_S:
        return 0.0
    return shifts[-1]


def _at(wall: float, now: Moment) -> float:
    return now.at - (now.wall - wall)
