"""The starts of a log as attempts of one run: the newest is judged, the earlier ones are listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from dualwatch.core.clock import Moment
from dualwatch.events import AttemptEnded, ConfigRead, DefectKind, Event, IterationLogged, LogClock
from dualwatch.frameworks import config_read
from dualwatch.frameworks.config_read import FoundConfig
from dualwatch.history.run import HistoryView, RunHistory
from dualwatch.logs.kept_start import LogStart
from dualwatch.logs.starts import Position, StartFinder
from dualwatch.rules import ranking, starts
from dualwatch.rules.deaths import exit
from dualwatch.rules.registry import judge
from dualwatch.rules.starts import EarlierStart
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot
from dualwatch.tensorboard import curves

PRINTED = 20
"""Starts of a log, the newest, whose configuration is read from it: that takes 50 ms each."""

OF_CONTENTS = (DefectKind.CLASSES, DefectKind.SCHEDULE, DefectKind.LABEL)
"""Defects that a configuration itself shows, wherever it is read."""

UNKNOWN_TOTAL = 10**12
"""Iterations of an epoch where rows do not name them: more than any has."""


def of_rows(events: Sequence[Event], path: Path) -> tuple[LogStart, ...]:
    """The starts of a file of scalars, whose counters begin again with each of them."""
    finder = StartFinder()
    parts: list[list[Event]] = [[]]
    resumed = [False]
    for event in events:
        if isinstance(event, IterationLogged) and event.mode == "train":
            # Rows are of one rank: none is merely behind.
            position = Position(event.epoch or 0, event.iteration, UNKNOWN_TOTAL)
            if finder.falls(position):
                finder.begin(event.wall, position)
                parts.append([])
                resumed.append(False)
        parts[-1].append(event)
        resumed[-1] = finder.is_resumed
    return tuple(
        LogStart(
            events=tuple(part),
            head=(),
            first_wall=min((event.wall for event in part), default=0.0),
            last_wall=max((event.wall for event in part), default=0.0),
            resumed=is_resumed,
            last_line="",
            path=path,
            clock=LogClock.FULL if part and curves.is_event_file(path) else LogClock.NONE,
        )
        for part, is_resumed in zip(parts, resumed, strict=True)
    )


def printed(start: LogStart, moment: Moment) -> FoundConfig | None:
    """The configuration that a start printed into its log; None where it cannot be read there.

    What was printed was loaded before. Whether it can be built depends on the code of that machine.
    """
    found = config_read.of_log(start.head, str(start.path), at=moment.at, wall=moment.wall)
    if found is None or found.event.error:
        return None
    defects = tuple(one for one in found.event.defects if one.kind in OF_CONTENTS)
    return found._replace(event=structs.replace(found.event, defects=defects))


def settled(
    found: ConfigRead | None, dump: FoundConfig | None, *, is_named: bool
) -> ConfigRead | None:
    """The configuration of a start that has a file beside it and a dump in its log.

    A training's own dump is what it runs; a file of its folder may have been changed since, or be
    of another training. A file can be followed to its data, and is kept where both go equally far.

    Args:
        is_named: The user named the file.
    """
    if found is None or dump is None:
        return found if dump is None else dump.event
    own, other = dump.spec.goal, (found.epochs, found.iterations)
    if own in ((None, None), other):
        return found
    if is_named or other == (None, None):
        return structs.replace(found, epochs=own.epochs, iterations=own.iterations)
    return dump.event


def fold_earlier(
    run: RunHistory,
    found: Sequence[LogStart],
    attempts: Sequence[Sequence[Event]],
    views: Sequence[HistoryView],
    moment: Moment,
) -> None:
    """Folds all starts but the newest.

    Args:
        found, attempts: The starts, and the events of each.
        views: They begin with the first start that the newest one continues.
    """
    first = len(attempts) - 1
    while first > 0 and found[first].resumed:
        first -= 1
    for number, (begun, *rest) in enumerate(attempts[:-1]):
        if number == first:
            run.watch(views)
        run.take(begun)
        if number >= len(found) - PRINTED:
            config = printed(found[number], moment)
            if config is not None:
                run.take(structs.replace(config.event, at=begun.at, wall=begun.wall))
        for event in rest:
            run.take(event)
        if exit.has_a_known_end(run.snapshot):
            run.take(gone(run.snapshot))
    if first == len(attempts) - 1:
        run.watch(views)


def gone(s: Snapshot) -> AttemptEnded:
    """The end of a process that was not seen."""
    return AttemptEnded(
        at=s.progress_at,
        wall=s.progress_wall,
        attempt=s.attempt or 0,
        exit_code=None,
        signal=None,
    )


def earlier(run: RunHistory, limits: Thresholds) -> list[EarlierStart]:
    """What is reported of the attempts before the newest one."""
    found: list[EarlierStart] = []
    for attempt in run.attempts[:-1]:
        s = attempt.snapshot
        s = replace(s, at=s.progress_at, wall=s.progress_wall)
        causes = ranking.causes(judge(s, limits))
        log = s.log if s.log != run.snapshot.log else None
        number = attempt.number + 1
        found.append(starts.earlier(s, causes, number=number, begun=attempt.begun, log=log))
    return found
