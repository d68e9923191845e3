"""The fold of a run from its events."""

from __future__ import annotations

from pathlib import Path

from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    Change,
    Decided,
    IterationLogged,
    RunStarted,
)
from dualwatch.events.journal import Journal
from dualwatch.history.run import LINES_AT_ONCE, RunHistory, fold
from dualwatch.history.sources import recorded_run

NOW = {"at": 1.0, "wall": 100.0}
CHANGE = Change(key="train_dataloader.batch_size", before=4, after=2, why="less memory")


def started(attempt: int) -> AttemptStarted:
    return AttemptStarted(
        **NOW, attempt=attempt, pid=9, create_time=1.0, command=("python",), overrides={}
    )


def test_history_and_the_remedy_in_force_come_back(tmp_path: Path) -> None:
    summary = tmp_path / "summary.json"
    summary.write_text('{"attempts": [{"number": 0, "lost_iterations": 3}]}')
    events = [
        RunStarted(
            **NOW,
            config="c.py",
            script="t.py",
            work_dir="wd",
            required_metrics=(),
            required_because="",
            version="0",
            command=("python", "t.py"),
        ),
        started(0),
        AttemptEnded(**NOW, attempt=0, exit_code=-15, signal="SIGTERM"),
        Decided(
            **NOW,
            action="rerun",
            reason="why",
            changes=(CHANGE,),
            cause="DW102",
            step="batch 4 -> 2",
            stretch=2,
        ),
        started(1),
    ]
    journal = Journal(tmp_path / "journal.jsonl")
    for event in events:
        journal.append(event)
    journal.close()
    run = recorded_run(tmp_path)
    assert run.started is not None
    assert run.started.command == ("python", "t.py")
    assert [(past.cause, past.step) for past in run.tried] == [("DW102", "batch 4 -> 2")]
    step = run.attempt.step
    assert step is not None
    assert (step.overrides, step.stretch) == ({CHANGE.key: 2}, 2)
    assert [attempt.lost_iterations for attempt in run.over] == [3]
    assert run.snapshot.started == events[-1]


def test_a_rerun_that_was_decided_and_not_begun_is_not_in_force() -> None:
    decided = Decided(**NOW, action="rerun", reason="", changes=(CHANGE,), cause="DW102", step="r")
    run = fold([started(0), decided])
    assert run.attempt.step is None
    assert run.tried == []
    assert run.next_step is not None


def test_lines_that_are_folded_together_give_the_same_snapshot() -> None:
    lines = [
        IterationLogged(
            at=n, wall=100.0 + n, mode="train", epoch=1, iteration=n, total=9, metrics={"loss": n}
        )
        for n in range(1, 8)
    ]
    together = RunHistory(lines_at_once=LINES_AT_ONCE)
    for event in (started(0), *lines):
        together.take(event)
    assert together.snapshot == fold([started(0), *lines]).snapshot
