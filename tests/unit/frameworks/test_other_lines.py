"""Lines by which trainings of other frameworks report their beginning and their end."""

from __future__ import annotations

import math

import pytest
from dualwatch.events import EvaluationLogged, LogMilestone, ProgressShown
from dualwatch.frameworks.other_lines import OtherLines


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("`Trainer.fit` stopped: `max_epochs=5` reached.", "run-over"),
        ("INFO:lightning.pytorch.utilities.rank_zero:`Trainer.fit` stopped: `max_steps=9` reached.",
         "run-over"),
        ("{'train_runtime': 129.1, 'train_loss': 0.6121, 'epoch': 4.0}", "run-over"),
        ("{'train_runtime': '129.1', 'train_loss': '0.6121', 'epoch': '4'}", "run-over"),
        ("30 epochs completed in 1.032 hours.", "run-over"),
        ("Finished Training", "run-over"),
        ("2024-03-04 10:00:00,123 - INFO - Training complete in 10m 3s", "run-over"),
        ("训练完成!", "run-over"),
        ("***** Running training *****", "run-announced"),
        ("[INFO|trainer.py:1571] 2024-03-04 10:00:00,123 >> ***** Running training *****",
         "run-announced"),
        ("Starting training for 30 epochs...", "run-announced"),
        ("GPU available: True (cuda), used: True", "run-announced"),
        ("EarlyStopping: Stopping training early as no improvement", "stopped-early"),
        ("Training stopped early as no improvement observed in last 50 epochs.", "stopped-early"),
    ],
)  # fmt: skip
def test_the_beginning_or_the_end_of_a_training(line: str, name: str) -> None:
    event = OtherLines().parse(line, 1.0, 2.0)
    assert isinstance(event, LogMilestone)
    assert (event.name, event.wall) == (name, 2.0)


@pytest.mark.parametrize(
    "line",
    ["`Trainer.fit` stopped: `max_time` reached.", "training finished epoch 3", "epoch 3 complete",
     "Experiment 1 completed.", "Training did not complete", "download complete",
     "the training failed: not complete", "finished training epoch 4 of 9"],
)  # fmt: skip
def test_what_is_no_end(line: str) -> None:
    assert OtherLines().parse(line, 1.0, 2.0) is None


def detectron2(iteration: int, eta: str) -> str:
    return (
        f"[03/04 10:02:40 d2.utils.events]:  eta: {eta}  iter: {iteration}  total_loss: nan  "
        "loss_cls: 0.41    time: 0.4011  data_time: 0.0061   lr: 0.0025  max_mem: 4120M"
    )


@pytest.mark.parametrize(("eta", "is_end"), [("0:00:00", True), ("1 day, 3:04:05", False)])
def test_a_line_of_detectron2_and_its_last_word(eta: str, is_end: bool) -> None:
    lines = OtherLines()
    shown = lines.parse(detectron2(399, eta), 1.0, 2.0)
    assert isinstance(shown, ProgressShown)
    assert (shown.mode, shown.done, shown.metrics["loss_cls"]) == ("train", 399, 0.41)
    assert math.isnan(shown.metrics["total_loss"])
    stops = "[03/04 10:04:00 d2.engine.hooks]: Overall training speed: 398 iterations in 0:03:59"
    over = lines.parse(stops, 1.0, 2.0)
    assert (over is not None) is is_end, "it is printed after an error as well"


@pytest.mark.parametrize(
    ("values", "metrics"),
    [
        ("0.612  0.544  0.571  0.342", {"mAP50": 0.571, "mAP50-95": 0.342}),
        ("0      0      0      0", {"mAP50": 0.0, "mAP50-95": 0.0}),
        (
            "0.6  0.5  0.57  0.34  0.6  0.5  0.4  0.2",
            {"mAP50": 0.57, "mAP50-95": 0.34, "second/mAP50": 0.4, "second/mAP50-95": 0.2},
        ),
    ],
)
def test_the_row_of_all_classes(values: str, metrics: dict[str, float]) -> None:
    row = f"                   all        320       1120      {values}"
    event = OtherLines().parse(row, 1.0, 2.0)
    assert isinstance(event, EvaluationLogged)
    assert (event.mode, event.metrics) == ("val", metrics)


def test_the_results_of_detectron2() -> None:
    lines, prefix = OtherLines(), "[03/04 10:01:00 d2.evaluation.testing]: copypaste: "
    assert lines.parse(prefix + "Task: bbox", 1.0, 2.0) is None
    assert lines.parse(prefix + "AP,AP50", 1.0, 2.0) is None
    event = lines.parse(prefix + "38.12,0.0000", 1.0, 2.0)
    assert isinstance(event, EvaluationLogged)
    assert event.metrics == {"AP": 38.12, "AP50": 0.0}


@pytest.mark.parametrize(
    "row",
    [
        "                   car        320       1120      0.6  0.5  0.5  0.3",
        "                   all        320       1120      0.6",
        "    all 3 of 5 files were read",
    ],
)
def test_other_rows_of_a_table(row: str) -> None:
    assert OtherLines().parse(row, 1.0, 2.0) is None
