"""The starts of a log as attempts of one run: the newest is judged, the ones before are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from dualwatch.core.clock import Moment
from dualwatch.events import AttemptEnded, ConfigRead, Event
from dualwatch.frameworks import config_read
from dualwatch.frameworks.config_read import FoundConfig
from dualwatch.history.run import HistoryView, RunHistory
from dualwatch.logs.reader import LogRead
from dualwatch.logs.whole import LogStart
from dualwatch.rules import ranking, starts
from dualwatch.rules.deaths import exit
from dualwatch.rules.registry import judge
from dualwatch.rules.starts import EarlierStart
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

PRINTED = 20
"""Starts of a log, the newest, whose configuration is read from it: that takes 50 ms each."""


def of_rows(events: Sequence[Event]) -> tuple[LogStart, ...]:
    """A file of scalars as one start."""
    walls = [event.wall for event in events]
    start = LogStart(
        events=tuple(events),
        head=(),
        first_wall=min(walls),
        last_wall=max(walls),
        resumed=False,
        last_line="",
    )
    return (start,)


def printed(log: LogRead, start: LogStart, moment: Moment) -> FoundConfig | None:
    """The configuration that a start printed into its log."""
    return config_read.of_log(start.head, str(log.path), at=moment.at, wall=moment.wall)


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
    log: LogRead | None,
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
        if log is not None and number >= len(found) - PRINTED:
            config = printed(log, found[number], moment)
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
    """What is told of the attempts before the newest one."""
    told: list[EarlierStart] = []
    for attempt in run.attempts[:-1]:
        s = attempt.snapshot
        s = replace(s, at=s.progress_at, wall=s.progress_wall)
        causes = ranking.causes(judge(s, limits))
        told.append(starts.earlier(s, causes, number=attempt.number + 1, begun=attempt.begun))
    return told
