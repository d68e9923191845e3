"""DW208 and DW209: slower and slower, or waiting for data; and what only looks so."""

from __future__ import annotations

import pytest
from dualwatch.events import ConfigRead, EvaluationLogged
from dualwatch.rules.metrics import speed


def lines(story, times, waits=0.01):
    for number, time in enumerate(times):
        wait = waits(number, time) if callable(waits) else waits
        story.line(loss=1.0 - number / 1e4, time=time, data_time=wait)
    return story


def found(story, code):
    return [f for f in story.judged() if f.code == code]


GRADUAL = [5.0] * 10 + [5.0 + 0.5 * n for n in range(30)]
SUDDEN = [0.5] * 40 + [6.0] * 20


@pytest.mark.parametrize("times", [GRADUAL, SUDDEN], ids=["gradual", "sudden"])
def test_computing_that_becomes_slower(story, times) -> None:
    (one,) = found(lines(story, times), "DW208")
    assert one.remedy == speed.COMPUTING


def test_loading_that_becomes_slower(story) -> None:
    waits = lambda number, time: time - 0.45  # noqa: E731
    (one,) = found(lines(story, SUDDEN, waits), "DW208")
    assert one.remedy == speed.DATA


def test_without_data_time_neither_is_accused(story) -> None:
    for time in SUDDEN:
        story.line(loss=1.0, time=time)
    (one,) = found(story, "DW208")
    assert one.remedy == speed.EITHER
    assert not found(story, "DW209")


def test_since_when(story) -> None:
    (one,) = found(lines(story, SUDDEN), "DW208")
    assert "epoch 3, iteration 10/200" in one.headline


@pytest.mark.parametrize(
    "times",
    [
        [30.0, *[0.5] * 40],  # the first iteration
        [0.5] * 40,
        [0.5, 0.6, 0.45, 0.7] * 15,  # sizes that differ
        [*[0.5] * 30, 9.0, *[0.5] * 9],  # one pause
        [0.5] * 40 + [1.5] * 3,  # too short
        [2.0] * 10 + [1.0] * 40,  # faster
        [0.004] * 40 + [0.008] * 20,  # a few milliseconds
        [*[0.5] * 20, *[3.0] * 15, *[0.5] * 25],  # over again
        [0.5] * 6 + [5.0] * 5,  # few lines
    ],
    ids=str,
)
def test_sound_speeds(story, times) -> None:
    assert not found(lines(story, times), "DW208")


def test_a_long_run_with_a_slow_line_at_each_epoch(story) -> None:
    times = [4.0 if number % 40 == 0 else 0.5 for number in range(2000)]
    assert not found(lines(story, times), "DW208")


def test_validations_in_between(story) -> None:
    for _ in range(6):
        lines(story, [0.5] * 10)
        story.wait(600).tell(
            EvaluationLogged, mode="val", epoch=1, iteration=1, total=1, metrics={"mAP": 0.3}
        )
    assert not found(story, "DW208")


# --- waiting for data ------------------------------------------------------------------------


def test_most_of_the_time_is_waiting(story) -> None:
    (one,) = found(lines(story, [7.0] * 30, 6.5), "DW209")
    assert "6.5 of 7 s" in one.headline


@pytest.mark.parametrize(("workers", "needed"), [(0, "13"), (2, "28")])
def test_how_many_workers_would_do(story, workers, needed) -> None:
    loaders = {"train_dataloader": {"num_workers": workers}}
    story.tell(ConfigRead, path="a.py", how="read", loaders=loaders)
    (one,) = found(lines(story, [7.0] * 30, 6.5), "DW209")
    assert f"about {needed} would" in one.evidence[1].text


@pytest.mark.parametrize(
    ("times", "waits"),
    [
        ([0.5] * 30, 0.1),
        ([30.0, *[0.5] * 30], lambda n, time: 29.0 if not n else 0.01),  # the workers start
        ([0.02] * 30, 0.015),  # a few milliseconds
        (
            [4.0 if n % 10 == 0 else 0.5 for n in range(60)],
            lambda n, t: 3.6 if n % 10 == 0 else 0.1,
        ),
        ([7.0] * 8, 6.5),  # few lines
        ([7.0] * 20 + [0.5] * 20, lambda n, t: 6.5 if n < 20 else 0.01),  # faster now
    ],
)
def test_a_training_that_is_fed(story, times, waits) -> None:
    assert not found(lines(story, times, waits), "DW209")


def test_what_loading_without_workers_costs_at_most(story) -> None:
    lines(story, [0.2] * 30, 0.05)
    assert speed.without_workers(story.snapshot, 2) == pytest.approx((0.2, 0.55))
    assert speed.without_workers(story.snapshot, 0) is None


def test_without_lines_the_cost_is_not_known(story) -> None:
    assert speed.without_workers(story.snapshot, 2) is None
