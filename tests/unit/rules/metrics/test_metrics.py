"""DW201-DW203: is what must be trained in the training lines, and is it a number?"""

from __future__ import annotations

import math

import pytest
from dualwatch.events import BatchSeen, EvaluationLogged
from dualwatch.rules.metrics.metrics import missing_at_end

REQUIRED = {"required": ("loss_macl",)}
NAN, INF = math.nan, math.inf


# --- DW201 ---------------------------------------------------------------------------------


def test_two_lines_without_a_required_metric_are_no_accident(story) -> None:
    story.line(loss=1.0)
    assert story.codes(**REQUIRED) == []
    (found,) = story.line(loss=1.0, loss_cls=0.5).judged(**REQUIRED)
    assert found.code == "DW201"
    assert (found.subject, found.confidence) == ("loss_macl", 1.0)
    assert "loss, loss_cls" in found.evidence[1].text


@pytest.mark.parametrize(
    "name", ["loss_macl", "train/loss_macl", "a/b/loss_macl"], ids=["plain", "tag", "deep"]
)
def test_a_metric_is_known_by_its_last_name(story, name) -> None:
    tag = name.replace("/", "__")
    story.line(loss=1.0, **{tag: 0.4}).line(loss=1.0, **{tag: 0.3}).line(**{tag: 0.3})
    assert story.codes(**REQUIRED) == []


def test_a_required_tag_is_found_without_its_folder(story) -> None:
    story.line(loss_macl=1.0).line(loss_macl=1.0)
    assert story.codes(required=("train/loss_macl",)) == []


@pytest.mark.parametrize("name", ["loss_macl_aux", "my_loss_macl", "loss"])
def test_a_name_that_only_looks_alike_does_not_count(story, name) -> None:
    story.line(**{name: 1.0}).line(**{name: 1.0})
    assert story.codes(**REQUIRED) == ["DW201"]


def test_lines_of_a_validation_are_no_training_lines(story) -> None:
    story.line(loss=1.0).line(mode="val").line(mode="val").line(mode="val")
    assert story.codes(**REQUIRED) == []


def test_each_required_metric_is_judged(story) -> None:
    story.line(loss_macl=1.0).line(loss_macl=1.0)
    (found,) = story.judged(required=("loss_macl", "loss_rpn", "loss_macl"))
    assert "loss_rpn" in found.headline


def test_nothing_required_nothing_missing(story) -> None:
    assert story.line(loss=1.0).line(loss=1.0).codes() == []


# --- DW202 ---------------------------------------------------------------------------------


def test_a_metric_that_vanished(story) -> None:
    story.line(loss=1.0, loss_macl=0.25).line(loss=1.0).line(loss=1.0)
    assert story.codes(**REQUIRED) == []
    (found,) = story.line(loss=1.0).judged(**REQUIRED)
    assert found.code == "DW202"
    assert "0.25" in found.headline


def test_a_metric_that_came_back(story) -> None:
    story.line(loss_macl=1.0)
    story.line(loss=1.0).line(loss=1.0).line(loss=1.0)
    assert story.line(loss_macl=0.5).codes(**REQUIRED) == []


# --- what is not trained -----------------------------------------------------------------


def test_an_evaluation_may_hold_what_is_not_a_number(story) -> None:
    story.line(loss=1.0)
    story.tell(
        EvaluationLogged, mode="val", epoch=1, iteration=1, total=1, metrics={"coco/mAP_l": NAN}
    )
    assert story.codes() == []
    assert math.isnan(story.snapshot.metrics["coco/mAP_l"].value)


def test_a_loss_of_an_evaluation_is_not_trained(story) -> None:
    evaluated = {"mode": "val", "epoch": 1, "iteration": 1, "total": 1}
    story.tell(EvaluationLogged, **evaluated, metrics={"loss_macl": 0.2})
    story.line(loss=1.0).line(loss=1.0)
    story.tell(EvaluationLogged, **evaluated, metrics={"loss_macl": 0.2})
    assert story.codes(**REQUIRED) == ["DW201"]
    assert missing_at_end(story.snapshot, ("loss_macl", "loss")) == ["loss_macl"]
    story.line(loss=1.0, loss_macl=0.5)
    assert story.codes(**REQUIRED) == []
    assert missing_at_end(story.snapshot, ("loss_macl", "loss")) == []


# --- a log that repeats the last mean --------------------------------------------------------


def repeats(story, lines: int, **metrics: float):
    """mmengine prints the last mean of a loss for ever, while the others go on."""
    for number in range(lines):
        story.line(loss=1.0 - number / 100, **metrics)
    return story


def test_a_loss_that_stands_still_while_others_move_is_computed_no_more(story) -> None:
    story.line(loss=1.2, loss_macl=0.8)
    assert repeats(story, 4, loss_macl=0.4213).codes(**REQUIRED) == []
    (found,) = repeats(story, 1, loss_macl=0.4213).judged(**REQUIRED)
    assert found.code == "DW202"
    assert found.confidence < 0.9
    assert "0.4213 in each of the last 5 training lines" in found.headline
    assert story.line(loss=0.5, loss_macl=0.42).codes(**REQUIRED) == []


@pytest.mark.parametrize(
    ("metrics", "why"),
    [
        ({"loss_macl": 0.0}, "nothing to measure"),
        ({"loss_macl": 0.4213, "loss": 1.0}, "all stand still"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_loss_may_stand_still(story, metrics, why) -> None:
    for _ in range(8):
        story.line(**{"loss": 1.0, **metrics})
    assert story.codes(**REQUIRED) == [], why


def test_a_small_loss_may_stand_still(story) -> None:
    assert repeats(story, 8, loss_macl=0.0012).codes(**REQUIRED) == []


def test_what_the_model_returns_is_the_better_witness(new_story) -> None:
    seen = {"rank": 0, "outline": ("x: Tensor 4x1",)}
    for returned, codes in (("loss", ["DW212", "DW202"]), ("loss_macl", [])):
        told = new_story().started().line(loss=1.2, loss_macl=0.8)
        told.tell(BatchSeen, iteration=12, losses=("loss", returned), **seen)
        # Three lines are enough where the model was seen, eight are not where it answers.
        repeats(told, 3 if codes else 8, loss_macl=0.4213)
        assert told.codes(**REQUIRED) == codes
    with_agent = new_story().started()
    with_agent.tell(BatchSeen, iteration=12, losses=("loss",), **seen)
    for number in range(8):
        with_agent.line(loss=1.0, loss_macl=0.5 - number / 100)
    assert with_agent.codes(**REQUIRED) == [], "printed by a hook of its own, and it moves"


# --- before the first line ---------------------------------------------------------------------


def seen_inside(story, *losses, logged=("lr", "time", "loss"), iterations=25, every=1.0):
    story.trains(1, every)
    story.tell(BatchSeen, rank=0, iteration=1, outline=(), losses=losses, logged=logged)
    return story.trains(iterations - 1, every)


@pytest.mark.parametrize(("iterations", "every"), [(25, 0.1), (3, 18.0)])
def test_a_loss_that_the_model_does_not_return_is_missing_before_any_line(story, iterations, every):
    told = seen_inside(story, "loss", "loss_cls", iterations=iterations, every=every)

    found = told.judged(required=("loss_macl",))
    assert [one.subject for one in found if one.code == "DW201"] == ["loss_macl"]


@pytest.mark.parametrize(
    ("losses", "logged", "iterations", "required"),
    [
        (("loss", "loss_macl"), ("loss", "loss_macl"), 25, "loss_macl"),
        (("loss",), ("loss", "loss_macl"), 25, "loss_macl"),  # Logged by the head itself.
        (("loss",), ("loss",), 5, "loss_macl"),  # By chance, without an object.
        (("loss",), None, 25, "loss_macl"),
        ((), ("loss",), 25, "loss_macl"),
        (("loss",), ("loss",), 25, "grad_norm"),  # No model returns it.
    ],
)
def test_what_may_still_come_is_not(story, losses, logged, iterations, required):
    told = seen_inside(story, *losses, logged=logged, iterations=iterations)

    assert "DW201" not in told.codes(required=(required,))


def test_names_that_changed_begin_anew(story):
    seen_inside(story, "loss", iterations=15)
    story.tell(
        BatchSeen, rank=0, iteration=15, outline=(), losses=("loss", "acc"), logged=("loss",)
    )

    assert "DW201" not in story.trains(10).codes(required=("loss_macl",))
