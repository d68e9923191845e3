"""What the validations, the loss and the speed of a training come to on the checklist."""

from __future__ import annotations

import pytest
from dualwatch.checks.item import RunLife
from dualwatch.rules.registry import judge
from dualwatch.rules.thresholds import Thresholds
from msgspec.structs import replace

from tests.unit.checks.conftest import Training


def found(training: Training, judged, item: str) -> str:
    training.findings += judge(training.subject().s, Thresholds())
    return judged(training.subject())[item].status.value


@pytest.mark.parametrize(
    ("values", "status"),
    [([0.5, 0.6, 0.6], "pass"), ([0.0, 0.0, 0.0], "fail"), ([0.0], "pending"), ([], "pending")],
)
def test_the_metric_of_the_validations(training, judged, values, status):
    for value in values:
        training.ends_epoch(**{"pascal_voc/mAP": value})
    training.lines(3)
    assert found(training, judged, "metric-useful") == status


def test_the_best_validation_is_named(training, judged):
    for value in (0.4, 0.6, 0.55):
        training.ends_epoch(**{"pascal_voc/mAP": value})
    assert "best 0.6 at epoch 2" in judged(training.subject())["metric-useful"].observed


def test_a_loss_that_falls_passes_and_a_flat_one_is_not_decided(training, judged):
    for number in range(20):
        training.line(loss=1.0 - number / 40)
    assert found(training, judged, "loss-learns") == "pass"


def test_a_flat_loss_is_not_called_learned(training, judged):
    assert found(training.lines(20), judged, "loss-learns") == "skip"


@pytest.mark.parametrize(
    ("time", "wait", "speed", "data"),
    [(1.0, 0.1, "pass", "pass"), (1.0, 0.9, "pass", "warn"), (None, None, "pending", "pending")],
)
def test_speed_and_waiting(training, judged, time, wait, speed, data):
    training.lines(20, time=time, data_time=wait)
    assert found(training, judged, "steady-speed") == speed
    assert found(training, judged, "fed") == data


def test_slower_and_slower(training, judged):
    for number in range(40):
        training.line(time=1.0 + max(0, number - 10) / 5)
    assert found(training, judged, "steady-speed") == "warn"
    assert judged(training.subject())["fed"].status.value == "skip"


# --- whether a validation is due -------------------------------------------------------------


def test_without_a_configuration_none_is_missed(training, judged):
    training.config = None
    training.lines(3).epoch = 2
    assert judged(training.line().subject())["validation"].status.value == "skip"


def test_an_interval_of_five_epochs(training, judged):
    assert training.config is not None
    training.config = replace(training.config, validates_every=5)
    training.lines(3).epoch = 2
    training.life = RunLife.UNKNOWN
    assert judged(training.line().subject())["validation"].status.value == "skip"
