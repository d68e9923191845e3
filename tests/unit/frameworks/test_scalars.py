"""Rows of scalars.json."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from dualwatch.events import EvaluationLogged, Event, IterationLogged, LinesScreened
from dualwatch.frameworks.mmengine.logs import scalars
from dualwatch.frameworks.mmengine.logs.scalars import ScalarsParser
from hypothesis import given, settings
from hypothesis import strategies as st


def parse_row(line: str, at: float, wall: float) -> Event | None:
    """One row alone."""
    return ScalarsParser().feed(line, at, wall)


def test_training_row_of_an_epoch_based_loop() -> None:
    event = parse_row(
        '{"lr": 0.01, "loss": 1.17, "memory": 4567, "epoch": 1, "iter": 5, "step": 5}', 1, 2
    )
    assert event == IterationLogged(
        at=1,
        wall=2,
        mode="train",
        epoch=1,
        iteration=5,
        total=None,
        metrics={"lr": 0.01, "loss": 1.17, "memory": 4567.0},
    )


def test_training_row_of_an_iteration_based_loop_has_no_epoch() -> None:
    event = parse_row('{"loss": NaN, "grad_norm": Infinity, "iter": 50, "step": 50}', 0, 0)
    assert isinstance(event, IterationLogged)
    assert (event.epoch, event.iteration) == (None, 50)
    assert math.isnan(event.metrics["loss"])
    assert event.metrics["grad_norm"] == math.inf


def test_both_spellings_of_a_tag_are_one_metric() -> None:
    plain = parse_row('{"loss_macl": 0.4, "iter": 1}', 0, 0)
    nested = parse_row('{"train/loss_macl": 0.4, "iter": 1}', 0, 0)
    assert isinstance(plain, IterationLogged)
    assert plain == nested


def test_validation_row_of_an_epoch_based_loop() -> None:
    event = parse_row(
        '{"coco/bbox_mAP": 0.8, "coco/bbox_mAP_50": NaN, "time": 0.0091, "step": 3}', 0, 0
    )
    assert isinstance(event, EvaluationLogged)
    assert (event.mode, event.epoch) == ("val", 3)
    assert event.metrics["coco/bbox_mAP"] == 0.8


def test_validation_row_with_step_0_belongs_to_the_iteration_before_it() -> None:
    parser = ScalarsParser()
    parser.feed('{"loss": 1.0, "iter": 500, "step": 500}', 0, 0)
    event = parser.feed('{"mIoU": 58.2, "step": 0}', 0, 0)
    assert isinstance(event, EvaluationLogged)
    assert (event.epoch, event.iteration) == (None, 500)


def test_validation_row_knows_its_epoch_from_the_training_rows() -> None:
    parser = ScalarsParser()
    parser.feed('{"loss": 1.0, "epoch": 2, "iter": 80, "step": 80}', 0, 0)
    event = parser.feed('{"val/pascal_voc/mAP": 0.6, "step": 0}', 0, 0)
    assert isinstance(event, EvaluationLogged)
    assert (event.epoch, event.iteration) == (2, 80)
    assert event.metrics == {"pascal_voc/mAP": 0.6}


@pytest.mark.parametrize(
    "line",
    ["", "{", '{"loss": 1.0, "it', "[1, 2]", "null", '{"step": 0}', '{"iter": NaN}', "{}"
     , '{"name": "x"}', "[" * 100000, '{"a":' * 100000],
    ids=lambda line: line[:20],
)  # fmt: skip
def test_rows_that_state_nothing(line: str) -> None:
    assert parse_row(line, 0, 0) is None


def test_a_number_too_big_for_a_float_is_left_out() -> None:
    event = parse_row('{"loss": 1.0, "big": %s, "iter": 1}' % ("9" * 400), 0, 0)
    assert isinstance(event, IterationLogged)
    assert event.metrics == {"loss": 1.0}


@settings(deadline=None)
@given(
    st.one_of(
        st.text(),
        st.dictionaries(
            st.sampled_from(["iter", "epoch", "step", "loss", "val/x", "test/y"]),
            st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=3)),
        ).map(json.dumps),
    )
)
def test_never_raises(line: str) -> None:
    parse_row(line, 0.0, 0.0)


# --- files -----------------------------------------------------------------------------------


def training_row(number: int, loss: str = "0.5") -> str:
    return f'{{"loss": {loss}, "epoch": 1, "iter": {number}, "step": {number}}}\n'


def test_all_rows_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "scalars.json"
    noise = 'no row\n\n[1]\n{"note": "x"}\n'
    cut = '{"loss": 0.1, "ite'
    rows = [training_row(n, "NaN" if n == 70_000 else f"{n}.25") for n in range(1, 90_000)]
    path.write_text("".join((*rows[:50_000], noise, *rows[50_000:], cut)))

    found = [row for row in scalars.rows(path) if row]

    assert [row["iter"] for row in found] == list(range(1, 90_000))
    assert sum(row["loss"] != row["iter"] + 0.25 for row in found) == 1
    assert math.isnan(found[69_999]["loss"])


def test_a_line_without_an_end_is_not_kept_in_memory(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(scalars, "MAX_ROW", 1000)
    monkeypatch.setattr(scalars, "_BLOCK", 100)
    path = tmp_path / "scalars.json"
    path.write_text(training_row(1) + '{"loss": ' + "1" * 5000 + "}\n" + training_row(2))
    assert [row["iter"] for row in scalars.rows(path) if "iter" in row] == [1, 2]


def test_the_newest_training_rows_and_every_evaluation(tmp_path: Path) -> None:
    path = tmp_path / "scalars.json"
    result = '{"pascal_voc/mAP": NaN, "step": 1}\n'
    path.write_text("".join((training_row(1), result, training_row(2), training_row(3))))
    first, evaluation, second, third = scalars.read(path, 4.0, newest=2)
    assert isinstance(evaluation, EvaluationLogged)
    assert (evaluation.epoch, evaluation.iteration, evaluation.wall) == (1, 1, 4.0)
    assert [event.iteration for event in (first, second, third)] == [1, 2, 3]


def test_rows_before_the_newest_are_screened(tmp_path: Path) -> None:
    path = tmp_path / "scalars.json"
    rows = [training_row(number) for number in range(1, 9001)]
    for number in (4000, 4001, 4002):
        rows[number - 1] = f'{{"loss": NaN, "epoch": 1, "iter": {number}, "step": {number}}}\n'
    rows[5000] = '{"loss": 5e7, "epoch": 1, "iter": 5001, "step": 5001}\n'
    path.write_text("".join(rows))
    events = scalars.read(path, 4.0, newest=100)
    lines = [event.iteration for event in events if isinstance(event, IterationLogged)]
    assert {1, 3999, 4000, 4002, 4003, 5001, *range(8901, 9001)} <= set(lines)
    assert len(lines) < 2500
    skipped = sum(event.lines for event in events if isinstance(event, LinesScreened))
    assert skipped + len(lines) == 9000


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(scalars.rows(tmp_path / "none"))
