"""A run whose supervisor is gone, folded from its journal."""

from __future__ import annotations

from pathlib import Path

from dualwatch.events import AttemptEnded, AttemptStarted, Change, Decided, RunStarted
from dualwatch.history import replay

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
    run = replay.replay_journal(events, summary)
    assert run.started is not None
    assert run.started.command == ("python", "t.py")
    assert [(past.cause, past.step) for past in run.tried] == [("DW102", "batch 4 -> 2")]
    assert run.step is not None
    assert (run.step.overrides, run.step.stretch) == ({CHANGE.key: 2}, 2)
    assert [record.lost_iterations for record in run.records] == [3]
    assert run.snapshot.started == events[-1]


def test_a_rerun_that_was_decided_and_not_begun_is_not_in_force(tmp_path: Path) -> None:
    decided = Decided(**NOW, action="rerun", reason="", changes=(CHANGE,), cause="DW102", step="r")
    run = replay.replay_journal([started(0), decided], tmp_path / "no-summary.json")
    assert run.step is None
    assert len(run.tried) == 1
