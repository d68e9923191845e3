"""The books themselves: what is lost, doubled, learnt again is told."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.training.recovery import accounting
from tests.training.recovery.accounting import Consumed

DUE = Counter(range(6))


def line(epoch: int, position: int, *samples: int, process: str = "a", rate: float = 1.0):
    return Consumed(
        mode="train",
        epoch=epoch,
        iteration=0,
        position=position,
        samples=samples,
        rate=rate,
        process=process,
    )


def test_a_whole_epoch_is_right_in_any_order():
    lines = [line(0, 0, 5, 1), line(0, 2, 0, 2), line(0, 4, 3, 4)]

    assert accounting.wrong(lines, DUE, epochs=1) == []
    assert accounting.order(lines) == [5, 1, 0, 2, 3, 4]


def test_lost_and_doubled_samples_are_named():
    lines = [line(0, 0, 0, 1), line(0, 2, 1, 2), line(0, 4, 4, 5)]

    assert accounting.wrong(lines, DUE, epochs=1) == [
        "epoch 0: lost 1 (3)",
        "epoch 0: doubled 1 (1)",
    ]
    assert accounting.wrong([], DUE, epochs=1) == ["epoch 0: lost 6 (0, 1, 2, 3, 4, 5)"]


def test_an_epoch_that_need_not_be_whole_must_not_double():
    lines = [line(0, 0, 0, 1, 2, 3, 4, 5), line(1, 0, 3, 3)]

    assert accounting.wrong(lines, DUE, epochs=1) == ["epoch 1: doubled 1 (3)"]


def test_what_is_begun_again_is_taken_back():
    before = [line(0, 0, 0, 1), line(0, 2, 2, 3), line(0, 4, 4, 5), line(1, 0, 5, 4)]
    after = [line(0, 2, 2, 3, process="b"), line(0, 4, 4, 5, process="b")]

    kept = accounting.effective(before + after)

    assert kept == [before[0], *after]
    assert accounting.relearnt(before + after) == 3
    assert accounting.processes(before + after) == ["a", "b"]


def test_half_batches_take_up_after_whole_ones():
    lines = [line(0, 0, 0, 1, 2, 3), line(0, 4, 4, 5, process="b")]

    assert accounting.effective(lines) == lines
    assert accounting.relearnt(lines) == 0


def test_validation_is_not_trained_on():
    validated = Consumed(
        mode="val", epoch=1, iteration=3, position=0, samples=(0,), rate=0.0, process="a"
    )

    assert accounting.order([validated]) == []


def test_rates_are_compared_at_the_same_samples():
    whole = [line(0, 0, 0, 1, rate=1.0), line(0, 2, 2, 3, rate=3.0), line(0, 4, 4, 5, rate=3.0)]
    halves = [line(0, n, n, rate=rate) for n, rate in enumerate((1.0, 2.0, 3.0, 3.0, 3.0, 3.0))]

    assert accounting.farthest_rate(halves, whole) == 0.0
    assert accounting.farthest_rate([line(0, 0, 0, rate=1.1)], whole) == pytest.approx(0.1)


def test_a_line_that_was_cut_was_not_learnt_from():
    data = {
        "mode": "train",
        "epoch": 0,
        "iteration": 0,
        "position": 0,
        "samples": [1, 2],
        "rate": 0.1,
        "pid": 7,
        "since": 1.5,
        "wall": 2.5,
        "attempt": "attempt-0",
    }
    text = json.dumps(data) + "\n"

    assert [one.samples for one in accounting.parse(text + text[:20])] == [(1, 2)]
    with pytest.raises(ValueError, match="Expecting"):
        accounting.parse("{]\n" + text)


def test_passes_of_a_training_without_epochs():
    lines = [line(0, 0, 1, 0), line(0, 2, 0, 0), line(0, 4, 1)]

    assert accounting.passes(lines, 2) == [Counter([0, 1]), Counter([0, 0])]
