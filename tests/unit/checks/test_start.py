"""The beginning: its first line in time, what is in it, and normal at iteration 50."""

from __future__ import annotations

import math

import pytest
from dualwatch.checks.item import RunLife
from dualwatch.events import ModelPart, ModelSeen, TensorBoardSeen

NOW = {"at": 0.0, "wall": 0.0}


@pytest.mark.parametrize(
    ("seconds", "status"), [(100, "pending"), (130, "warn"), (299, "warn"), (301, "fail")]
)
def test_no_line_is_waited_for_two_minutes_and_not_more_than_five(
    training, judged, seconds, status
):
    result = judged(training.wait(seconds).subject())["first-line"]
    assert result.status.value == status
    assert result.code == "DW101"


@pytest.mark.parametrize(("seconds", "status"), [(90, "pass"), (200, "warn"), (400, "fail")])
def test_a_first_line_that_came_late_is_told(training, judged, seconds, status):
    result = judged(training.wait(seconds).line().subject())["first-line"]
    assert result.status.value == status
    assert "epoch 1, iteration 50/22878" in result.observed


def test_it_ended_without_a_line(training, judged):
    training.life = RunLife.OVER
    found = judged(training.wait(20).subject())
    assert (found["first-line"].status.value, found["alive"].status.value) == ("skip", "fail")


def test_a_loop_of_its_own_kind_is_not_blamed_for_its_lines(training, judged):
    training.life, training.finished = RunLife.OVER, True
    assert judged(training.wait(20).subject())["first-line"].status.value == "skip"


def test_one_line_without_a_metric_is_no_proof(training, judged):
    told = judged(training.line(loss_macl=None).subject())
    assert told["loss-macl"].status.value == "pending"
    told = judged(training.line(loss_macl=None).subject())
    assert told["loss-macl"].status.value == "fail"
    assert "loss, loss_cls, loss_bbox" in told["loss-macl"].observed


def test_a_hierarchical_tag_counts(training, judged):
    training.line(loss_macl=None, **{"train/loss_macl": 0.4})
    assert judged(training.subject())["loss-macl"].status.value == "pass"


@pytest.mark.parametrize(
    ("metric", "value", "status"),
    [
        ("loss_macl", 0.4, "pass"),
        ("loss_macl", 0.6, "warn"),
        ("loss_macl", 1.2, "fail"),
        ("loss_macl", math.nan, "fail"),
        ("grad_norm", 12.0, "pass"),
        ("grad_norm", 15.0, "warn"),
        ("grad_norm", 25.0, "fail"),
        ("loss_cls", 0.05, "pass"),
        ("loss_cls", 0.9, "warn"),
        ("loss_bbox", 0.01, "warn"),
    ],
)
def test_normal_values_at_iteration_50(training, judged, metric, value, status):
    told = judged(training.line(**{metric: value}).subject())
    assert told[f"{metric.replace('_', '-')}-at-50"].status.value == status


def test_a_training_taken_up_late_has_no_iteration_50(training, judged):
    training.epoch, training.iteration = 3, 4000
    told = judged(training.lines(3).subject())
    assert told["loss-macl-at-50"].status.value == "skip"
    assert "iteration 4050/22878" in told["loss-macl-at-50"].observed


def part(**fields):
    known = {"path": "roi_head.macl", "kind": "MACLHead", "parameters": 9, "trainable": 9}
    return ModelPart(**{**known, "optimised": 9, **fields})


@pytest.mark.parametrize(
    ("parts", "status", "word"),
    [
        ((part(),), "pass", "9 parameters"),
        ((part(kind="ROIHead", path="roi_head"),), "fail", "no module"),
        ((part(trainable=0, optimised=0),), "fail", "none of its 9"),
        ((part(optimised=4),), "fail", "4 of 9"),
        ((part(optimised=None),), "skip", "optimizer"),
        ((part(parameters=0, trainable=0, optimised=0),), "pass", "no parameters"),
    ],
)
def test_the_module_is_there_trained_and_held_by_the_optimizer(
    training, judged, parts, status, word
):
    seen = ModelSeen(**NOW, rank=0, parts=parts)
    result = judged(training.line().subject(model=seen))["macl-trained"]
    assert result.status.value == status
    assert word in result.observed


def board_(**fields):
    return TensorBoardSeen(**{**NOW, "url": "http://localhost:6006/", "alive": None, **fields})


@pytest.mark.parametrize(
    ("seen", "life", "status"),
    [
        (board_(answers=True, shows_run=True), RunLife.ALIVE, "pass"),
        (board_(answers=True, shows_run=False, logdir="other"), RunLife.ALIVE, "fail"),
        (board_(answers=False, why="refused"), RunLife.ALIVE, "fail"),
        (board_(answers=False, why="refused"), RunLife.OVER, "skip"),
        (board_(answers=None, why="not asked"), RunLife.ALIVE, "skip"),
        (None, RunLife.PLANNED, "pending"),
    ],
)
def test_tensorboard_answers(training, judged, seen, life, status):
    training.life = life
    result = judged(training.line().subject(tensorboard=seen))["tensorboard"]
    assert result.status.value == status


def test_tags_that_are_missing(training, judged):
    tags = ("train/loss_cls", "train/loss_bbox")
    seen = board_(answers=True, files=1, tags=tags)
    training.lines(3)
    assert judged(training.subject(tensorboard=seen))["tensorboard-tags"].status.value == "pending"
    training.life, training.finished = RunLife.OVER, True
    result = judged(training.subject(tensorboard=seen))["tensorboard-tags"]
    assert (result.status.value, result.code) == ("fail", "DW802")
    seen = board_(answers=True, files=1, tags=(*tags, "train/loss_macl"))
    assert judged(training.subject(tensorboard=seen))["tensorboard-tags"].status.value == "pass"
