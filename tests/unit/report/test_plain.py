"""The view where there is no terminal: one dated line a change of state, a sign of life."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from dualwatch.events import (
    AttemptEnded,
    ConsoleGrew,
    Decided,
    EvaluationLogged,
    HeartbeatRead,
    IterationLogged,
    ProcessesSampled,
    RunEnded,
    Severity,
)
from dualwatch.protocol import Phase
from dualwatch.report.run.plain import PlainView
from dualwatch.report.run.view import more_lines

DATED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d .")


@pytest.fixture
def shown(telling):
    """A teller, and what its view has written so far."""
    stream = io.StringIO()
    teller = telling(PlainView(stream))

    def lines() -> list[str]:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        return text.splitlines()

    return teller, lines


def pulse(teller, phase: str, beats: int):
    return teller.tell(
        HeartbeatRead,
        rank=0,
        pid=100,
        phase=phase,
        beats=beats,
        epoch=0,
        begun=0,
        iteration=beats,
        batch=beats,
        batches=10,
        max_epochs=1,
        max_iterations=10,
    )


def train_line(teller, iteration: int = 50, **metrics: float):
    return teller.tell(
        IterationLogged,
        mode="train",
        epoch=1,
        iteration=iteration,
        total=200,
        metrics={"lr": 0.1, "loss": 0.9123456, "loss_macl": 0.41, "grad_norm": 3.0, **metrics},
        eta_s=600.0,
    )


def test_changes_of_state_are_dated_lines(shown, change) -> None:
    teller, lines = shown
    teller.started().found("DW102", "no progress", "phase train-step")
    teller.tell(Decided, action="rerun", reason="DW102: rerun with no workers", changes=(change,))
    teller.tell(AttemptEnded, attempt=0, exit_code=None, signal="SIGKILL")
    teller.started(attempt=1, resumed_from="epoch_1.pth")
    teller.tell(AttemptEnded, attempt=1, exit_code=0, signal=None)
    teller.tell(RunEnded, outcome="completed", exit_code=0, reason="trained to the end")
    shown = lines()
    assert all(DATED.match(line) for line in shown)
    parts = (
        *("attempt 0", "DW102 stalled-training", "phase train-step", "dualwatch explain DW102"),
        *("rerun with no workers", "2 -> 0", "SIGKILL", "epoch_1.pth", "exit code 0", "completed"),
    )
    assert len(shown) == len(parts)
    for line, part in zip(shown, parts, strict=True):
        assert part in line


def test_a_finding_takes_two_lines_of_evidence_and_a_symptom_of_it_none(shown, change) -> None:
    teller, lines = shown
    teller.started()
    lines()
    teller.found("DW111", "workers wait", *"abcd").found("DW102", "no progress", *"xyz")
    (cause, first, second, more, symptom) = lines()
    assert "DW111" in cause
    assert first.endswith("a")
    assert second.endswith("b")
    assert "dualwatch explain DW111" in more
    assert "DW102" in symptom
    teller.tell(Decided, action="rerun", reason="DW111", changes=(change,))
    lines()
    teller.found("DW102", "no progress", *"xyz")
    assert len(lines()) == 4, "after the decision the same symptom has another cause"


def test_what_is_no_change_of_state_says_nothing(shown) -> None:
    teller, lines = shown
    pulse(teller.started(), Phase.WAITING, 1)
    lines()
    for beats in range(2, 40):
        pulse(teller, Phase.STEP if beats % 2 else Phase.WAITING, beats)
        teller.tell(ProcessesSampled, processes=())
        teller.tell(ConsoleGrew, lines=beats, last_line="x")
    assert lines() == []


def test_phases_of_the_start_are_told_once_each(shown) -> None:
    teller, lines = shown
    teller.started()
    for beats, phase in enumerate((Phase.BUILDING, Phase.BUILDING, Phase.LOADING), 1):
        pulse(teller, phase, beats)
    assert [line[20:] for line in lines()][1:] == ["phase: building", "phase: loading-checkpoint"]


@pytest.mark.parametrize("phase", [Phase.METRICS, Phase.SAVING])
def test_leaving_the_loop_is_a_change_of_state(shown, phase) -> None:
    teller, lines = shown
    pulse(pulse(teller.started(), Phase.WAITING, 1), Phase.STEP, 2)
    lines()
    pulse(teller, phase, 3)
    assert [line[20:] for line in lines()] == [f"phase: {phase}"]


def test_training_lines_come_at_most_once_a_minute(shown) -> None:
    teller, lines = shown
    train_line(teller.started())
    (first,) = lines()[1:]
    assert first[20:] == ("epoch 1, 50/200  loss 0.9123  loss_macl 0.41  grad_norm 3  eta 0:10:00")
    for number in range(59):
        teller.t += 1
        train_line(teller, number)
    assert lines() == []
    teller.t += 1
    assert len((train_line(teller, 99), lines())[1]) == 1


def test_a_sign_of_life_every_minute(shown) -> None:
    teller, lines = shown
    teller.wait(600)
    assert lines() == [], "nothing was started"
    pulse(teller.started(), Phase.STEP, 7)
    lines()
    for _ in range(59):
        teller.wait(1)
    assert lines() == []
    (alive,) = (teller.wait(1), lines())[1]
    assert alive[20:] == "alive: phase train-step, last progress 1m00s ago, iteration 7"
    teller.wait(59)
    assert lines() == []


def test_an_evaluation(shown) -> None:
    teller, lines = shown
    metrics = {"pascal_voc/mAP": 0.61234, "data_time": 0.1, "time": 0.2}
    teller.started().tell(
        EvaluationLogged, mode="val", epoch=3, iteration=10, total=10, metrics=metrics
    )
    assert lines()[-1][20:] == "val epoch 3: pascal_voc/mAP 0.6123"


def test_what_cannot_be_seen_is_said_once_a_run(shown) -> None:
    teller, lines = shown
    for attempt in range(3):
        teller.started(attempt=attempt).found("DW404", "GPU memory is not observed")
    assert sum("DW404" in line for line in lines()) == 1


def test_the_same_stall_of_each_attempt_is_said(shown) -> None:
    teller, lines = shown
    for attempt in range(3):
        teller.started(attempt=attempt).found("DW102", "no progress")
    assert sum("DW102 stalled" in line for line in lines()) == 3


def test_long_evidence_is_bounded(shown) -> None:
    teller, lines = shown
    teller.started().found("DW606", "died", *["y" * 1000] * 20)
    said = lines()
    assert len(said) < 12
    assert max(map(len, said)) < 200


def test_notes_carry_no_date(shown) -> None:
    teller, lines = shown
    teller.view.note("work dir: w")
    assert lines() == ["work dir: w"]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "gbk"])
def test_a_stream_that_cannot_hold_a_text_replaces_it(telling, encoding) -> None:
    raw = io.BytesIO()
    teller = telling(PlainView(io.TextIOWrapper(raw, encoding=encoding)))
    teller.view.note("中文 ✓ é")
    teller.started().found("DW606", "中文 ✓ é", "→", severity=Severity.ERROR)
    assert b"DW606" in raw.getvalue()
    raw.getvalue().decode(encoding)


def test_the_commands_that_show_more_are_never_broken() -> None:
    (one,) = more_lines("work_dirs/my_run", "DW111", 80)
    assert f"dualwatch diagnose {Path('work_dirs/my_run')}" in one
    two = more_lines("work_dirs/a_run_with_a_long_name", "DW111", 60)
    assert [line.split(" dualwatch ")[1].split()[0] for line in two] == ["diagnose", "explain"]
    assert max(map(len, two)) <= 60
