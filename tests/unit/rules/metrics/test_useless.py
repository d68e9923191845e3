"""DW207 and DW216: metrics at their floor in every validation, a best one long ago, and twins."""

from __future__ import annotations

import math

import pytest
from dualwatch.events import ConfigRead, EvaluationLogged, IterationLogged, LogMilestone, Severity
from msgspec import structs


def config(story, epochs: int | None = None, classes: int | None = None):
    return story.tell(
        ConfigRead, path="a.py", how="read", loaders={}, epochs=epochs, classes=classes
    )


def epochs(story, values, name="coco/bbox_mAP", losses=None, **others):
    """One line, one checkpoint and one validation for each value."""
    for number, value in enumerate(values, start=1):
        loss = losses[number - 1] if losses else 0.7 - 0.1 * number
        story.line(epoch=number, loss=loss, loss_cls=loss / 2)
        story.events[-1] = type(story.events[-1])(**{**_fields(story.events[-1]), "iteration": 200})
        text = f"Saving checkpoint at {number} epochs"
        story.tell(
            LogMilestone,
            name="checkpoint-saving",
            text=text,
            epochs=number,
            file=f"epoch_{number}.pth",
        )
        story.tell(
            EvaluationLogged,
            mode="val",
            epoch=number,
            iteration=20,
            total=20,
            metrics={name: value, **others, "time": 0.2, "data_time": 0.1},
        )
    return story


def _fields(event):
    return {name: getattr(event, name) for name in event.__struct_fields__}


def found(story, code="DW207"):
    return [f for f in story.judged() if f.code == code]


def test_zero_in_all_validations_of_a_finished_training(story) -> None:
    (one,) = found(epochs(config(story, 4), [0.0] * 4, **{"coco/bbox_mAP_50": 0.0}))
    assert one.severity is Severity.ERROR
    assert "in all 4 validations" in one.headline
    assert "classes and label" in one.remedy


def test_where_the_loss_does_not_fall_either_the_remedy_is_another(story) -> None:
    (one,) = found(epochs(config(story, 4), [0.0] * 4, losses=[0.7] * 4))
    assert "learning rate" in one.remedy


def test_accuracy_of_guessing_by_the_configuration(story) -> None:
    config(story, 4, classes=30)
    (one,) = found(epochs(story, [3.4] * 4, "accuracy/top1", losses=[3.40, 3.42, 3.39, 3.41]))
    assert one.severity is Severity.ERROR
    assert "30 classes" in one.headline


@pytest.mark.parametrize(("classes", "value"), [(30, 3.4), (30, 0.034), (10, 10.0), (2, 0.5)])
def test_accuracy_of_guessing_by_the_loss(story, classes, value) -> None:
    losses = [round(math.log(classes), 4)] * 4
    (one,) = found(epochs(config(story, 4), [value] * 4, "accuracy/top1", losses=losses))
    assert f"{classes} classes" in one.headline


@pytest.mark.parametrize(
    ("goal", "values", "name"),
    [
        (12, [0.0, 0.1, 0.2, 0.3], "coco/bbox_mAP"),  # the first of many
        (12, [0.0], "coco/bbox_mAP"),  # few validations
        (12, [0.0, 0.0], "coco/bbox_mAP"),
        (300, [0.0] * 6, "coco/AP"),  # transformers take their time
        (4, [0.3] * 4, "coco/bbox_mAP"),
        (4, [0.0] * 4, "error"),  # less is better
        (4, [0.0] * 4, "MAE"),
        (4, [88.0] * 4, "accuracy/top1"),
        (4, [-1.0, 0.2, 0.3, 0.4], "coco/bbox_mAP"),
        (4, [math.nan, 0.2, 0.3, 0.4], "mIoU"),
    ],
)
def test_sound_ones(story, goal, values, name) -> None:
    assert not found(epochs(config(story, goal), values, name))


def test_an_overfitted_classifier_does_not_guess(story) -> None:
    losses = [2.0, 1.2, 0.8, 0.6931]
    assert not found(epochs(config(story, 4), [50.0] * 4, "accuracy/top1", losses=losses))


def test_small_objects_that_are_not_there_are_no_floor(story) -> None:
    epochs(config(story, 4), [0.3, 0.4, 0.4, 0.4], **{"coco/bbox_mAP_s": -1.0})
    assert not found(story)


def test_one_of_two_metrics_is_a_warning(story) -> None:
    (one,) = found(epochs(config(story, 4), [0.4] * 4, **{"coco/segm_mAP": 0.0}))
    assert (one.severity, one.subject) == (Severity.WARNING, "coco/segm_mAP")


def test_early_it_is_a_warning(story) -> None:
    (one,) = found(epochs(config(story, 12), [0.0] * 4))
    assert one.severity is Severity.WARNING


# --- the best one ----------------------------------------------------------------------------


def test_the_best_was_long_ago(story) -> None:
    (one,) = found(epochs(config(story, 4), [0.31, 0.56, 0.41, 0.22]), "DW216")
    assert one.severity is Severity.INFO
    assert "best at epoch 2 (0.56)" in one.headline
    assert "epoch_2.pth" in one.remedy


def test_the_file_of_the_best_is_named_where_it_was_saved(story) -> None:
    epochs(config(story, 4), [0.56])
    story.tell(
        LogMilestone,
        name="best-checkpoint-saved",
        text="",
        epochs=1,
        file="best_coco_bbox_mAP_epoch_1.pth",
    )
    (one,) = found(epochs(story, [0.41, 0.3, 0.22]), "DW216")
    assert "best_coco_bbox_mAP_epoch_1.pth" in one.remedy


def test_one_that_fell_to_nothing_is_a_warning(story) -> None:
    (one,) = found(epochs(config(story, 4), [0.31, 0.56, 0.0]), "DW216")
    assert one.severity is Severity.WARNING


@pytest.mark.parametrize("values", [[0.3, 0.5, 0.45], [0.56, 0.22], [0.1, 0.2, 0.3], [0.0] * 4])
def test_near_the_best_few_or_rising(story, values) -> None:
    assert not found(epochs(config(story, 12), values), "DW216")


def empty(story, number: int):
    """Validations in which nothing was found; the log has no metric then."""
    for epoch in range(1, number + 1):
        story.line(epoch=epoch, loss=0.7)
        story.tell(LogMilestone, name="results-empty", text="")
        story.tell(
            EvaluationLogged, mode="val", epoch=epoch, iteration=20, total=20, metrics={"time": 0.2}
        )
    return story


@pytest.mark.parametrize(("number", "severity"), [(3, Severity.WARNING), (5, Severity.ERROR)])
def test_nothing_was_found_in_any_validation(story, number, severity) -> None:
    (one,) = found(empty(config(story, 8), number), "DW207")
    assert one.severity is severity


def test_something_was_found_later(story) -> None:
    assert not found(epochs(empty(config(story, 8), 3), [0.1, 0.2, 0.3, 0.4]), "DW207")


def test_two_validations_of_a_very_short_training(story, new_story) -> None:
    short = epochs(config(new_story(), 2), [0.0, 0.0])
    short.events[:] = [
        structs.replace(one, iteration=20, total=20) if isinstance(one, IterationLogged) else one
        for one in short.events
    ]
    assert not found(short, "DW207")
    (one,) = found(epochs(config(story, 2), [0.0, 0.0]), "DW207")
    assert one.severity is Severity.WARNING
