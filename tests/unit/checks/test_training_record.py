"""Warm-up, the end of an epoch, and what must not happen at any time."""

from __future__ import annotations

import math

import pytest
from dualwatch.checks.item import RunLife
from dualwatch.events import (
    EvaluationLogged,
    Evidence,
    IterationLogged,
    ObserverPaused,
    Severity,
)
from dualwatch.history.training_record import EPOCHS, OPENING_POINTS, TrainingRecord
from dualwatch.rules.catalog import finding
from dualwatch.rules.registry import judge
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import fold


def flat(training, value, lines=66):
    return training.lines(lines, loss_macl=value)


# --- warm-up ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "status"), [(0.3, "pass"), (0.4, "warn"), (0.5, "fail"), (0.95, "fail")]
)
def test_loss_macl_by_the_end_of_the_warm_up(training, judged, value, status):
    result = judged(flat(training, value).subject())["loss-macl-falls"]
    assert result.status.value == status


def test_before_ten_minutes_a_high_loss_is_no_failure(training, judged):
    assert judged(flat(training, 0.5, 30).subject())["loss-macl-falls"].status.value == "pending"
    training.life = RunLife.OVER
    assert judged(training.subject())["loss-macl-falls"].status.value == "skip"
    training.finished = True
    assert judged(training.subject())["loss-macl-falls"].status.value == "fail"


def test_gradients_in_their_range(training, judged):
    assert judged(training.warms_up().subject())["grad-norm"].status.value == "pass"


@pytest.mark.parametrize(("value", "status"), [(17.0, "warn"), (2.0, "warn"), (30.0, "fail")])
def test_gradients_beyond_their_range(training, judged, value, status):
    result = judged(training.warms_up(grad_norm=value).subject())["grad-norm"]
    assert result.status.value == status


def test_a_single_wild_gradient_is_no_failure(training, judged):
    training.lines(30).line(grad_norm=90.0).warms_up()
    assert judged(training.subject())["grad-norm"].status.value == "pass"


@pytest.mark.parametrize(
    ("metrics", "status", "code"),
    [
        ({"loss": math.nan, "loss_bbox": math.nan}, "fail", "DW203"),
        ({"loss": math.inf, "loss_bbox": 0.1}, "fail", "DW203"),
        ({"loss_bbox": math.nan}, "warn", "DW203"),  # The total does not contain it.
        ({"loss": 1e6, "loss_bbox": 1e6}, "fail", "DW204"),
        ({"loss_bbox": 60.0}, "fail", "DW204"),  # The limit of this profile.
        ({"loss": 1.5}, "pending", "DW203"),
    ],
    ids=str,
)
def test_a_loss_that_is_not_finite_or_huge(training, judged, metrics, status, code):
    training.lines(5).line(**metrics)
    training.findings += judge(fold(training.events), Thresholds())
    result = judged(training.subject())["finite"]
    assert (result.status.value, result.code) == (status, code)
    assert ("iteration 300" in result.observed) is (status != "pending")


def test_a_late_first_line_hides_nothing(training, judged):
    training.wait(3000).line(loss=math.nan).line(loss=math.nan)
    training.findings += judge(fold(training.events), Thresholds())
    found = judged(training.subject())
    assert (found["first-line"].status.value, found["finite"].status.value) == ("fail", "fail")


def test_a_training_without_a_line_did_not_start_slowly_but_died(training, judged):
    training.wait(400).found("DW606", severity=Severity.CRITICAL)
    found = judged(training.subject(life=RunLife.OVER))
    assert (found["first-line"].status.value, found["alive"].status.value) == ("skip", "fail")
    assert found["finite"].status.value == "skip"


# --- epochs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "status"), [(0.57, "pass"), (0.53, "warn"), (0.5, "fail"), (math.nan, "fail")]
)
def test_map_after_epoch_1(training, judged, value, status):
    training.warms_up().ends_epoch(**{"pascal_voc/mAP": value})
    result = judged(training.subject())["epoch-1-map"]
    assert result.status.value == status
    assert result.item.stage == "epoch-1"
    assert result.expected == "pascal_voc/mAP >= 0.52, better >= 0.55"
    assert bool(result.remedy) is (status != "pass")


@pytest.mark.parametrize(("level", "status"), [(0.25, "pass"), (0.4, "fail")])
def test_loss_macl_after_epoch_1(training, judged, level, status):
    result = judged(training.warms_up().ends_epoch(level).subject())["epoch-1-loss-macl"]
    assert result.status.value == status


def test_later_epochs_have_milestones_of_their_own(training, judged):
    training.warms_up().ends_epoch().ends_epoch(**{"pascal_voc/mAP": 0.54})
    told = judged(training.line().subject())
    assert told["epoch-2-map"].status.value == "fail"
    assert told["epoch-2-map"].item.stage == "running"
    assert told["epoch-3-map"].status.value == "pending"


def test_an_epoch_without_a_validation(training, judged):
    training.warms_up()
    assert judged(training.subject())["validation"].status.value == "pending"
    training.epoch = 2
    assert judged(training.line().subject())["validation"].status.value == "fail"


def test_what_was_not_seen_is_not_said_to_be_missing(training, judged):
    training.warms_up().tell(ObserverPaused, seconds=9000.0).epoch = 3
    told = judged(training.lines(3).subject())
    assert told["validation"].status.value == told["epoch-2-map"].status.value == "skip"


def test_a_training_that_died_in_epoch_1_never_reached_its_end(training, judged):
    training.warms_up().life = RunLife.OVER
    told = judged(training.subject())
    assert told["validation"].status.value == "skip"
    assert "ended before" in told["epoch-1-map"].observed
    assert told["alive"].status.value == "fail"


def test_iterations_without_epochs_count_evaluations():
    course = TrainingRecord()
    for number in range(1, 5):
        for step in range(10):
            course.take(
                IterationLogged(
                    at=number * 100.0 + step,
                    wall=0.0,
                    mode="train",
                    epoch=None,
                    iteration=number * 1000 + step,
                    total=9000,
                    metrics={"loss": 1.0 / number},
                    eta_s=None,
                )
            )
        course.take(
            EvaluationLogged(
                at=number * 100.0 + 50,
                wall=0.0,
                mode="val",
                epoch=None,
                iteration=1,
                total=1,
                metrics={"mIoU": number * 10.0},
            )
        )
    assert course.evaluated(2, "mIoU") == 20.0
    assert course.level(3, "loss") == pytest.approx(1 / 3)


def test_a_long_training_is_kept_in_bounded_memory():
    course = TrainingRecord()
    for number in range(20_000):
        course.take(
            IterationLogged(
                at=number * 0.1,
                wall=0.0,
                mode="train",
                epoch=number // 10 + 1,
                iteration=number % 10 + 1,
                total=10,
                metrics={"loss": 1.0, "lr": 0.1},
                eta_s=None,
            )
        )
    assert len(course.epochs) <= EPOCHS
    assert course.newest_epoch == 2000
    assert set(course.opening) == {"loss"}
    assert len(course.opening["loss"].samples) <= OPENING_POINTS + 1
    assert course.opening["loss"].samples[-1].at > 1900


# --- at any time -----------------------------------------------------------------------------


def test_a_stall_fails_and_is_called_by_its_cause(training, judged):
    training.lines(5).found("DW102").found("DW111", "both workers wait for a lock")
    result = judged(training.subject())["no-stall"]
    assert (result.status.value, result.code) == ("fail", "DW111")
    assert "lock" in result.observed


def test_a_stall_that_was_cured_is_worth_a_look(training, judged):
    evidence = [Evidence(text="silence", source="heartbeat")]
    training.overcome.append(finding("DW102", evidence, confidence=0.9))
    training.finished, training.life = True, RunLife.OVER
    result = judged(training.lines(5).subject())["no-stall"]
    assert (result.status.value, result.code) == ("warn", "DW102")


def test_a_bare_log_does_not_tell_whether_it_hangs(training, judged):
    training.lines(5).life = RunLife.UNKNOWN
    told = judged(training.subject())
    assert told["no-stall"].status.value == told["alive"].status.value == "skip"


def test_a_metric_that_vanished(training, judged):
    training.lines(5).found("DW202", "loss_macl is absent", subject="loss_macl")
    told = judged(training.subject())
    assert told["loss-macl"].status.value == "fail"
    assert told["metrics-kept"].status.value == "skip"  # It needs what failed.


def test_a_death_is_told_with_its_code(training, judged):
    training.lines(5).found("DW401", "CUDA out of memory").life = RunLife.OVER
    training.findings[0] = finding(
        "DW401", [Evidence(text="CUDA out of memory", source="console.log")], confidence=1.0
    )
    result = judged(training.subject())["alive"]
    assert (result.status.value, result.code) == ("fail", "DW401")
