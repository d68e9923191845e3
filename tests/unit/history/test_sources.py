"""The events of the past on our own clock."""

from __future__ import annotations

from pathlib import Path

from dualwatch.core.clock import Moment
from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    Event,
    Finding,
    FindingRaised,
    IterationLogged,
    LogMilestone,
    RunEnded,
    RunStarted,
    Severity,
)
from dualwatch.events.journal import Journal
from dualwatch.history import sources
from dualwatch.history.run import fold as fold_run
from dualwatch.logs.kept_start import LogStart
from dualwatch.state.snapshot import fold

NOW = Moment(at=5000.0, wall=1_700_000_000.0)


def started(attempt: int, at: float, wall: float) -> AttemptStarted:
    return AttemptStarted(
        at=at, wall=wall, attempt=attempt, pid=7, create_time=wall, command=(), overrides={}
    )


def line(iteration: int, wall: float) -> IterationLogged:
    return IterationLogged(
        at=0.0,
        wall=wall,
        mode="train",
        epoch=1,
        iteration=iteration,
        total=9,
        metrics={"loss": 1.0},
    )


def journal_of(path: Path, events: list[Event]) -> Path:
    kept = Journal(path)
    for event in events:
        kept.append(event)
    kept.close()
    return path


def run_started(at: float, wall: float) -> RunStarted:
    return RunStarted(
        at=at,
        wall=wall,
        config="c.py",
        script="s.py",
        work_dir="w",
        required_metrics=("loss_macl",),
        required_because="it says so",
        version="0",
    )


def raised(code: str, at: float, wall: float) -> FindingRaised:
    finding = Finding(
        code=code, name="x", severity=Severity.ERROR, confidence=1.0, evidence=(), remedy=""
    )
    return FindingRaised(at=at, wall=wall, finding=finding)


def test_the_newest_attempt_of_the_newest_run_is_what_counts(tmp_path):
    wall = NOW.wall
    path = journal_of(
        tmp_path / "journal.jsonl",
        [
            run_started(1.0, wall - 4999),
            started(0, 2.0, wall - 4998),
            raised("DW606", 3.0, wall - 4997),
            RunEnded(at=4.0, wall=wall - 4996, outcome="failed", exit_code=5, reason="x"),
            run_started(4000.0, wall - 1000),
            started(0, 4001.0, wall - 999),
            raised("DW102", 4100.0, wall - 900),
            started(1, 4200.0, wall - 800),
            line(3, wall - 700),
            raised("DW201", 4400.0, wall - 600),
        ],
    )
    run = fold_run(sources.read_journal(path, NOW))
    assert run.started == run_started(4000.0, wall - 1000)
    assert run.ended is None
    assert run.over == []
    assert [f.code for f in run.attempt.findings] == ["DW201"]
    assert [f.code for f in run.earlier_findings] == ["DW102"]
    assert run.snapshot.started == started(1, 4200.0, wall - 800)


def test_times_of_another_boot_are_told_by_the_wall_clock(tmp_path):
    events = [
        run_started(90_000.0, NOW.wall - 60),
        started(0, 90_001.0, NOW.wall - 59),
        AttemptEnded(at=90_031.0, wall=NOW.wall - 29, attempt=0, exit_code=1, signal=None),
    ]
    found = list(sources.read_journal(journal_of(tmp_path / "j", events), NOW))
    assert [event.at for event in found] == [NOW.at - 60, NOW.at - 59, NOW.at - 29]


def test_a_clock_that_was_set_during_a_run_changes_no_interval(tmp_path):
    """The wall clock jumped by an hour between the second event and the third."""
    jump = 3600.0
    events = [
        run_started(500.0, NOW.wall - 90 - jump),
        started(0, 501.0, NOW.wall - 89 - jump),
        AttemptEnded(at=531.0, wall=NOW.wall - 59, attempt=0, exit_code=1, signal=None),
    ]
    found = list(sources.read_journal(journal_of(tmp_path / "j", events), NOW))
    assert [event.at for event in found] == [NOW.at - 90, NOW.at - 89, NOW.at - 59]


def test_a_clock_that_was_set_in_this_boot_moves_no_event(tmp_path):
    events = [
        run_started(NOW.at - 90, NOW.wall - 90 - 3600.0),
        AttemptEnded(at=NOW.at - 59, wall=NOW.wall - 59, attempt=0, exit_code=1, signal=None),
    ]
    found = list(sources.read_journal(journal_of(tmp_path / "j", events), NOW))
    assert [event.at for event in found] == [NOW.at - 90, NOW.at - 59]


def log_start(events, *, resumed, first=None):
    begun = events[0].wall if events else first
    last = events[-1].wall if events else first
    return LogStart(
        events=tuple(events),
        head=(),
        first_wall=begun,
        last_wall=last,
        resumed=resumed,
        last_line="",
    )


def test_lines_of_a_log_are_signs_of_life(tmp_path):
    lines = [
        LogMilestone(at=0.0, wall=NOW.wall - 300, name="checkpoints-announced", text="x"),
        line(1, NOW.wall - 200),
        line(2, NOW.wall - 150),
    ]
    start = log_start(lines, resumed=False)
    (events,) = sources.of_log([start], NOW, started(0, NOW.at, NOW.wall))
    s = fold(events)
    assert s.progress_at == NOW.at - 150
    assert s.silence(NOW.at) == 150
    assert s.gaps["waiting-for-batch"].longest == 100
    # The log knows that the training is older than the process that we can see.
    assert events[0].wall == NOW.wall - 300


def test_a_log_without_any_fact_gives_the_start_alone():
    attempts = sources.of_log([], NOW, started(0, NOW.at, NOW.wall))
    assert attempts == [[started(0, NOW.at, NOW.wall)]]


def test_each_start_of_a_log_is_an_attempt_and_the_process_is_that_of_the_newest():
    starts = [
        log_start([line(1, NOW.wall - 900), line(2, NOW.wall - 850)], resumed=False),
        log_start([line(3, NOW.wall - 600)], resumed=True),
        log_start([], resumed=False, first=NOW.wall - 100),
    ]
    process = started(0, NOW.at - 102, NOW.wall - 102)
    attempts = [attempt[0] for attempt in sources.of_log(starts, NOW, process)]
    assert [one.attempt for one in attempts] == [0, 1, 2]
    assert [one.wall for one in attempts] == [NOW.wall - 900, NOW.wall - 600, NOW.wall - 102]
    assert [one.pid for one in attempts] == [0, 0, process.pid]
    assert [one.continues for one in attempts] == [False, True, False]
