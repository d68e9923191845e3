"""Gathers what ``report`` shows of a run: from its journal, thinned; else from its log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dualwatch import domains
from dualwatch.collectors.target import Target
from dualwatch.core import clock, units
from dualwatch.core.errors import DualwatchError, Exit
from dualwatch.core.json_codec import plain
from dualwatch.core.policies import CheckPolicy
from dualwatch.diagnose import check, examine, records
from dualwatch.diagnose.check import Wanted
from dualwatch.diagnose.check_record import CheckRecord, record_of, record_of_run
from dualwatch.diagnose.examine import Examination, ExamineOptions
from dualwatch.diagnose.questions import FILES
from dualwatch.events import (
    Event,
    FindingRaised,
    GpusSampled,
    HeartbeatRead,
    HostSampled,
    KeysReported,
    LearningSeen,
    LogClock,
    ModelSeen,
    NonFiniteSeen,
    ProcessesSampled,
    RunStarted,
    StacksCaptured,
    TensorBoardSeen,
    WeightsLoaded,
    journal,
    sampling,
)
from dualwatch.events.sampling import Sampling
from dualwatch.history import phases, sources
from dualwatch.history.reported_run import KINDS, ReportedRun
from dualwatch.protocol import Phase

POINTS = 600
"""Samples of the machine over a whole run: more than a picture has room for."""


def reported(target: Target, policy: CheckPolicy) -> ReportedRun:
    """All that is known of a run.

    Raises:
        DualwatchError: Nothing can be read.
    """
    run = _supervised(target, policy) if target.supervised else None
    if run is None:
        run = _of_log(target, policy)
    run.kind = target.kind
    run.place = str(target.path or target.work_dir or target.log or "?")
    return run


def label(runs: Sequence[ReportedRun], targets: Sequence[Target]) -> None:
    """Gives each run a unique name."""
    places = [target.work_dir or target.log or target.path or Path("run") for target in targets]
    for depth in (1, 2, 3):
        named = ["/".join(place.absolute().parts[-depth:]) for place in places]
        if len(set(named)) == len(named):
            break
    else:
        named = [f"{name} ({number})" for number, name in enumerate(named, start=1)]
    for run, name in zip(runs, named, strict=True):
        run.label = name


# --- a run with a journal --------------------------------------------------------------------


def _supervised(target: Target, policy: CheckPolicy) -> ReportedRun | None:
    """From the journal; None where it holds nothing."""
    assert target.attempt_dir is not None
    own = target.attempt_dir.parent
    path = own / "journal.jsonl"
    try:
        start = journal.newest(path, RunStarted)
        run = ReportedRun().fold(thinned(path, start))
    except OSError as error:
        raise _unreadable(path, error) from error
    if not run.attempts and run.started is None:
        return None
    lost = sources.lost_iterations(own / "summary.json")
    for attempt in run.attempts:
        attempt.lost_iterations = lost.get(attempt.number)
    run.alive = target.training is not None
    _add_checklist(run, record_of_run(run.history, run.record, alive=run.alive), policy)
    if start > 0:
        run.notes.append("The journal has earlier runs too; this is the newest.")
    if run.started is None:
        run.notes.append("The journal does not have the beginning of the run.")
    if run.ended is None:
        run.status = _unended(run)
    return run


def _add_checklist(run: ReportedRun, record: CheckRecord, policy: CheckPolicy) -> None:
    """Adds the items of the profile in force, its limits, and what its domain shows first."""
    choice, results = check.judged(record, policy, Wanted())
    run.checklist = plain([check.item(result) for result in results])
    run.limits = choice.profile.ranges
    words = (*(run.config.model_words if run.config is not None else ()), *run.required)
    run.shown_first = domains.of_words((*words, *run.table.columns)).shown_first


def thinned(path: Path, start: int = 0) -> Iterator[Event]:
    """The events of a journal that a report is made of, the frequent ones thinned."""
    spacing = journal.span(path, start) / POINTS
    thin: dict[type[Event], Sampling[Any]] = {
        HeartbeatRead: Sampling(spacing=spacing, key=lambda event: phases.kind_of(event.phase)),
        ProcessesSampled: Sampling(spacing=spacing, weight=_memory, newest=4),
        GpusSampled: Sampling(spacing=spacing, weight=_gpu_memory),
        HostSampled: Sampling(spacing=spacing, weight=lambda event: -(event.memory_available or 0)),
        # Only the stacks before a finding are shown.
        StacksCaptured: Sampling(spacing=float("inf")),
    }
    kinds: tuple[type[Event], ...] = (
        *KINDS,
        ModelSeen,
        KeysReported,
        LearningSeen,
        NonFiniteSeen,
        WeightsLoaded,
        TensorBoardSeen,
    )
    wanted = {kind: thin.get(kind) for kind in kinds}
    return sampling.sample(path, wanted, landmarks=(FindingRaised,), start=start)


def _memory(event: ProcessesSampled) -> float:
    return sum(process.rss or 0 for process in event.processes)


def _gpu_memory(event: GpusSampled) -> float:
    return sum(gpu.used or 0 for gpu in event.gpus)


def _unended(run: ReportedRun) -> str:
    when = units.clock(run.timeline.last)
    if run.alive:
        return f"it is still running; what is known of it ends at {when}"
    return (
        f"the journal ends at {when} without an end of the run: neither the training nor its "
        "supervisor runs any more"
    )


# --- a run without one -----------------------------------------------------------------------


def _of_log(target: Target, policy: CheckPolicy) -> ReportedRun:
    """From the log of a training that dualwatch did not supervise."""
    if target.log is None:
        raise DualwatchError(
            f"nothing to report: {target.path} has not been run",
            why="no work dir of it is in ./work_dirs",
            do="name the work dir or the log of a training",
            exit_code=Exit.NOT_OBSERVED,
        )
    done = examine.examine(target, policy, options=ExamineOptions(only=FILES))
    if "log" in done.not_observed and done.log is None:
        raise _unreadable(target.log, OSError(done.not_observed["log"]))
    events = _events(target, done)
    if not events and not done.findings:
        raise DualwatchError(
            f"nothing to report in {target.log}",
            why="it has no line of a training",
            do="name the work dir or the log of a training",
            exit_code=Exit.NOT_OBSERVED,
        )
    run = ReportedRun(supervised=False).fold(events)
    _add_examined(run, target, done, policy)
    return run


def _events(target: Target, done: Examination) -> list[Event]:
    if target.log is not None and records.is_rows(target.log):
        return records.read_rows(target.log)
    return list(done.log.events) if done.log is not None else []


def _add_examined(run: ReportedRun, target: Target, done: Examination, policy: CheckPolicy) -> None:
    """Adds what is not an event of the log."""
    run.alive = examine.is_alive(target)
    run.config = done.config
    run.findings, run.causes = done.findings, done.causes
    _add_checklist(run, record_of(done, policy), policy)
    run.not_observed = dict(done.not_observed)
    run.not_observed |= dict.fromkeys(
        ("processes", "memory", "stacks"), "not observed while it ran: only its log is known"
    )
    assert done.standing is not None
    run.status = done.standing.sentence
    run.finished = done.standing.phase == Phase.FINISHED and not run.alive
    if target.supervised:
        run.notes.append("The journal of this run is empty: its console log is used instead.")
    if target.log is not None and target.log.suffix == ".json":
        run.notes.append("Rows of scalars have no times: those on this page are of the file.")
    elif done.log is not None and done.log.clock is LogClock.NO_YEAR:
        run.notes.append("The times in this log have no year; the one shown is a guess.")
    elif done.log is not None and done.log.clock is LogClock.NONE:
        run.notes.append("This log has no times; those on this page are of the file.")
    if not run.timeline.last:
        run.timeline.first = run.timeline.last = clock.now().wall


def _unreadable(path: Path, error: OSError) -> DualwatchError:
    return DualwatchError(
        f"cannot read {path}",
        why=error.strerror or str(error),
        do="name a run that you may read",
        exit_code=Exit.NOT_OBSERVED,
    )
