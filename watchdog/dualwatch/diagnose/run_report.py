"""Gathers what is known of a run that is looked back at: the chapter of a page.

Our journal of it, sifted, where there is one; else the log of the training, which the same judges
look at as in a diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dualwatch.collectors.target import Target
from dualwatch.core import clock, units
from dualwatch.core.errors import DualwatchError, Exit
from dualwatch.core.settings import Settings
from dualwatch.diagnose import check, check_record, examine
from dualwatch.diagnose.check_record import CheckRecordBuilder, record_of
from dualwatch.diagnose.examine import FILES, Examination, ExamineOptions
from dualwatch.events import (
    Event,
    FindingRaised,
    GpusSampled,
    HeartbeatRead,
    HostSampled,
    ProcessesSampled,
    RunStarted,
    StacksCaptured,
    journal,
    sampling,
)
from dualwatch.events.sampling import Sampling
from dualwatch.history import phases
from dualwatch.history.build import WANTED, HistoryBuilder, build
from dualwatch.history.model import RunHistory
from dualwatch.history.replay import lost_iterations

POINTS = 600
"""Samples of the machine over a whole run: more than a picture has room for."""


def chapter_of(target: Target, settings: Settings) -> RunHistory:
    """All that is known of a run.

    Raises:
        DualwatchError: There is nothing to look at.
    """
    chapter = _supervised(target, settings) if target.supervised else None
    if chapter is None:
        chapter = _foreign(target, settings)
    chapter.kind = target.kind
    chapter.place = str(target.path or target.work_dir or target.log or "?")
    return chapter


def label(chapters: Sequence[RunHistory], targets: Sequence[Target]) -> None:
    """Gives each chapter a name that no other one has."""
    places = [target.work_dir or target.log or target.path or Path("run") for target in targets]
    for depth in (1, 2, 3):
        named = ["/".join(place.absolute().parts[-depth:]) for place in places]
        if len(set(named)) == len(named):
            break
    else:
        named = [f"{name} ({number})" for number, name in enumerate(named, start=1)]
    for chapter, name in zip(chapters, named, strict=True):
        chapter.label = name


# --- a run of ours ---------------------------------------------------------------------------


def _supervised(target: Target, settings: Settings) -> RunHistory | None:
    """From the journal; None where it holds nothing."""
    assert target.attempt_dir is not None
    own = target.attempt_dir.parent
    path = own / "journal.jsonl"
    try:
        start = journal.newest(path, RunStarted)
        telling, witness = HistoryBuilder(), CheckRecordBuilder()
        for event in sift(path, start):
            telling.take(event)
            witness.take(event)
    except OSError as error:
        raise _unreadable(path, error) from error
    chapter = telling.close()
    if not chapter.attempts and chapter.started is None:
        return None
    lost = lost_iterations(own / "summary.json")
    for attempt in chapter.attempts:
        attempt.lost = lost.get(attempt.number)
    chapter.alive = target.training is not None
    chapter.checklist = check.items(witness.record(chapter.alive), settings)
    if start > 0:
        chapter.notes.append(
            "The journal of this work dir holds earlier runs as well; the newest is told here."
        )
    if chapter.started is None:
        chapter.notes.append("The journal does not hold the beginning of the run.")
    if chapter.ended is None:
        chapter.standing = _unended(chapter)
    return chapter


def sift(path: Path, start: int = 0) -> Iterator[Event]:
    """The events of a journal that a chapter is made of, the frequent ones thinned."""
    spacing = journal.span(path, start) / POINTS
    thin: dict[type[Event], Sampling[Any]] = {
        HeartbeatRead: Sampling(spacing=spacing, key=lambda event: phases.kind_of(event.phase)),
        ProcessesSampled: Sampling(spacing=spacing, weight=_memory, newest=4),
        GpusSampled: Sampling(spacing=spacing, weight=_gpu_memory),
        HostSampled: Sampling(spacing=spacing, weight=lambda event: -(event.memory_available or 0)),
        # Of the looks that led to no verdict nobody asks any more.
        StacksCaptured: Sampling(spacing=float("inf")),
    }
    wanted = {kind: thin.get(kind) for kind in (*WANTED, *check_record.WANTED)}
    return sampling.sample(path, wanted, landmarks=(FindingRaised,), start=start)


def _memory(event: ProcessesSampled) -> float:
    return sum(process.rss or 0 for process in event.processes)


def _gpu_memory(event: GpusSampled) -> float:
    return sum(gpu.used or 0 for gpu in event.gpus)


def _unended(chapter: RunHistory) -> str:
    when = units.clock(chapter.last)
    if chapter.alive:
        return f"it is still running; what is known of it ends at {when}"
    return (
        f"the journal ends at {when} without an end of the run: neither the training nor its "
        "supervisor runs any more"
    )


# --- a run of somebody else ------------------------------------------------------------------


def _foreign(target: Target, settings: Settings) -> RunHistory:
    """From the log of a training that dualwatch did not supervise."""
    if target.log is None:
        raise DualwatchError(
            f"there is nothing to look at: {target.path} has not been run",
            why="no work dir of it lies in ./work_dirs",
            do="name the work dir or the log of a training",
            exit_code=Exit.NOT_OBSERVED,
        )
    done = examine.examine(target, settings, manner=ExamineOptions(only=FILES))
    if "log" in done.not_observed and done.log is None:
        raise _unreadable(target.log, OSError(done.not_observed["log"]))
    told = _told(target, done)
    chapter = build(told)
    if not told and not done.findings:
        raise DualwatchError(
            f"there is nothing to look at in {target.log}",
            why="it holds no line of a training",
            do="name the work dir or the log of a training",
            exit_code=Exit.NOT_OBSERVED,
        )
    _settle(chapter, target, done, settings)
    return chapter


def _told(target: Target, done: Examination) -> list[Event]:
    if target.scalars is not None and target.scalars == target.log:
        from dualwatch.history import past

        return past.of_scalars(target.log)
    return list(done.log.events) if done.log is not None else []


def _settle(chapter: RunHistory, target: Target, done: Examination, settings: Settings) -> None:
    """Adds what no line of the log tells by itself."""
    chapter.supervised = False
    chapter.alive = examine.is_alive(target)
    chapter.config = done.config
    chapter.findings, chapter.causes = done.findings, done.causes
    chapter.checklist = check.items(record_of(done, settings), settings)
    chapter.not_observed = dict(done.not_observed)
    chapter.not_observed |= dict.fromkeys(
        ("processes", "memory", "stacks"), "nobody looked while it ran: only its log is known"
    )
    assert done.standing is not None
    chapter.standing = done.standing.sentence
    if target.supervised:
        chapter.notes.append("The journal of this run is empty: its console log is told instead.")
    if target.scalars is not None and target.scalars == target.log:
        chapter.notes.append("Rows of scalars have no times: those on this page are of the file.")
    elif done.log is not None and not done.log.year_known:
        chapter.notes.append("The stamps of this log have no year; that of the file was taken.")
    if not chapter.last:
        chapter.first = chapter.last = clock.now().wall


def _unreadable(path: Path, error: OSError) -> DualwatchError:
    return DualwatchError(
        f"cannot read {path}",
        why=error.strerror or str(error),
        do="name a run that you may read",
        exit_code=Exit.NOT_OBSERVED,
    )
