"""Lines of mmengine's and mmcv's loggers."""

from __future__ import annotations

import math
import time

import pytest
from dualwatch.events import EvaluationLogged, IterationLogged, LogMilestone
from dualwatch.frameworks.mmengine.logs import mmcv1, mmengine1
from dualwatch.frameworks.mmengine.logs.fields import seconds_of
from dualwatch.logs.timestamps import logged_at
from hypothesis import given
from hypothesis import strategies as st

FILE = "2026/11/23 06:20:46 - mmengine - INFO - "
CONSOLE = "11/23 06:20:46 - mmengine - \x1b[4m\x1b[97mINFO\x1b[0m - "
MMCV = "2023-02-09 22:37:36,092 - mmdet - INFO - "

TRAIN = (
    "Epoch(train)  [1][  50/22878]  base_lr: 5.0902e-06 lr: 5.0902e-07  eta: 2 days, 7:32:05  "
    "time: 0.9486  data_time: 0.6328  grad_norm: 11.1031  loss: 2.1044  loss_macl: 0.4123"
)


@pytest.mark.parametrize("prefix", [FILE, CONSOLE, ""])
def test_training_line_of_file_and_console(prefix: str) -> None:
    event = mmengine1.parse_line(prefix + TRAIN, 1.0, 2.0)
    assert event == IterationLogged(
        at=1.0,
        wall=2.0,
        mode="train",
        epoch=1,
        iteration=50,
        total=22878,
        metrics={
            "base_lr": 5.0902e-06,
            "lr": 5.0902e-07,
            "time": 0.9486,
            "data_time": 0.6328,
            "grad_norm": 11.1031,
            "loss": 2.1044,
            "loss_macl": 0.4123,
        },
        eta_s=2 * 86400 + 7 * 3600 + 32 * 60 + 5,
    )


@pytest.mark.parametrize(
    ("body", "mode", "epoch", "iteration", "total", "some"),
    [
        ("Epoch(train) [50][86/86]  lr: 2.0e-04  eta: 0:00:00  loss: 0.06  memory: 4567",
         "train", 50, 86, 86, {"memory": 4567.0, "loss": 0.06}),
        ("Epoch(train)   [1][1/6]  loss: 0.4", "train", 1, 1, 6, {"loss": 0.4}),
        ("Epoch(val) [1][ 5/10]    eta: 0:00:00  time: 0.0159  data_time: 0.0137  ",
         "val", 1, 5, 10, {"time": 0.0159}),
        ("Epoch(val) [1][10/10]    eta: 0:00:00  time: 0.0159  data_time: 0.0137  val/loss: 0.5",
         "val", 1, 10, 10, {"loss": 0.5}),
        ("Epoch(test) [1/3]    eta: 0:00:05  time: 2.9233  data_time: 2.7514  memory: 642",
         "test", None, 1, 3, {"memory": 642.0}),
        ("Iter(train) [ 100/8000]  lr: 8.3e-04  eta: 0:00:00  decode.loss_ce: 0.3010",
         "train", None, 100, 8000, {"decode.loss_ce": 0.301}),
        ("Epoch(train) [1][1/6]  loss: 0.4  eta: 1 day, 0:00:01  lr: 0.1  train/loss_macl: 0.3",
         "train", 1, 1, 6, {"loss_macl": 0.3, "lr": 0.1}),
    ],
)  # fmt: skip
def test_iterations(
    body: str, mode: str, epoch: int | None, iteration: int, total: int, some: dict[str, float]
) -> None:
    event = mmengine1.parse_line(FILE + body, 0.0, 0.0)
    assert isinstance(event, IterationLogged)
    assert (event.mode, event.epoch, event.iteration, event.total) == (
        mode,
        epoch,
        iteration,
        total,
    )
    assert some.items() <= event.metrics.items()
    assert "eta" not in event.metrics


@pytest.mark.parametrize(
    ("body", "mode", "epoch", "iteration", "some"),
    [
        ("Epoch(val) [50][22/22]    coco/bbox_mAP: 0.8540  pascal_voc/mAP: 0.9967  "
         "data_time: 0.0115  time: 0.1483", "val", 50, 22, {"pascal_voc/mAP": 0.9967}),
        ("Epoch(val) [300][6/6]    coco/AP: 0.732821  coco/AP .5: 1.000000  coco/AP (M): -1.000000",
         "val", 300, 6, {"coco/AP .5": 1.0, "coco/AP (M): ".strip(": "): -1.0}),
        ("Iter(val) [15/15]  aAcc: 82.9700  mIoU: 58.2800  data_time: 0.0037  time: 0.2811",
         "val", None, 15, {"mIoU": 58.28}),
        ("Epoch(val) [1][4/4]    val/pascal_voc/mAP: 0.5  val/time: 0.1",
         "val", 1, 4, {"pascal_voc/mAP": 0.5, "time": 0.1}),
        ("Epoch(val) [1][4/4]    data_time: 0.1  time: 0.2", "val", 1, 4, {"time": 0.2}),
        ("Epoch(test) [3/3]  coco/bbox_mAP: nan  time: 1.0", "test", None, 3, {"time": 1.0}),
    ],
)  # fmt: skip
def test_results_of_evaluations(
    body: str, mode: str, epoch: int | None, iteration: int, some: dict[str, float]
) -> None:
    event = mmengine1.parse_line(FILE + body, 0.0, 0.0)
    assert isinstance(event, EvaluationLogged)
    assert (event.mode, event.epoch, event.iteration) == (mode, epoch, iteration)
    assert some.items() <= event.metrics.items()


def test_values_that_are_no_finite_numbers_stay() -> None:
    event = mmengine1.parse_line(
        FILE + "Epoch(train) [1][1/6]  grad_norm: inf  loss: nan  loss_cls: -inf  word: abc", 0, 0
    )
    assert isinstance(event, IterationLogged)
    assert math.isnan(event.metrics["loss"])
    assert event.metrics["grad_norm"] == math.inf
    assert event.metrics["loss_cls"] == -math.inf
    assert "word" not in event.metrics


@pytest.mark.parametrize(
    "line",
    [
        "Epoch(train) is a word",
        FILE + "Epoch(train) [1][a/b]  loss: 1",
        FILE + "Epoch(party) [1][1/2]  loss: 1",
        FILE + "Epoch(val) [5][2476]\tmAP: 0.8440",
        FILE + "Exp name: x",
        "    type='EpochBasedTrainLoop',",
        "Config: is fine",
        "initialize the thing",
        "",
    ],
)
def test_other_lines_state_nothing(line: str) -> None:
    assert mmengine1.parse_line(line, 0.0, 0.0) is None


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("System environment:", "environment"),
        ("Config:", "config-dump"),
        ("Hooks will be executed in the following order:", "hooks-listed"),
        ("after_run:", "hooks-listed"),
        ("initialize ResNet with init_cfg {'type': 'Pretrained'}", "weights-initialised"),
        ("Load checkpoint from work_dirs/x/epoch_1.pth", "checkpoint-loaded"),
        ("Auto resumed from the latest checkpoint work_dirs/epoch_1.pth.", "resumed"),
        ("resumed epoch: 4, iter: 16556", "resumed"),
        ("resumed epoch 4, iter 16556", "resumed"),
        ("Checkpoints will be saved to /x.", "checkpoints-announced"),
        ("Advance dataloader 500 steps to skip data", "dataloader-advancing"),
        ("Saving checkpoint at 1 epochs", "checkpoint-saving"),
        ("Saving checkpoint at 10 iterations", "checkpoint-saving"),
        ("The best checkpoint with 0.8540 coco/bbox_mAP at 50 epoch is saved to x.pth.",
         "best-checkpoint-saved"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("prefix", [FILE, MMCV, "11/23 06:20:46 - mmengine - INFO - "])
def test_milestones(prefix: str, body: str, name: str) -> None:
    event = mmengine1.parse_line(prefix + body, 3.0, 4.0)
    assert isinstance(event, LogMilestone)
    assert (event.at, event.wall, event.name, event.text) == (3.0, 4.0, name, body)


@pytest.mark.parametrize(
    ("body", "number", "by_epoch", "file"),
    [
        ("Saving checkpoint at 12 epochs", 12, True, "epoch_12.pth"),
        ("Saving checkpoint at 4000 iterations", 4000, False, "iter_4000.pth"),
        ("The best checkpoint with 0.8540 coco/bbox_mAP at 50 epoch is saved to "
         "best_coco_bbox_mAP_epoch_50.pth.", 50, True, "best_coco_bbox_mAP_epoch_50.pth"),
        ("The best checkpoint with 58.28 mIoU at 8000 iter is saved to best_mIoU_iter_8000.pth.",
         8000, False, "best_mIoU_iter_8000.pth"),
        ("Now best checkpoint is saved as best_bbox_mAP_epoch_3.pth.",
         3, True, "best_bbox_mAP_epoch_3.pth"),
        ("Checkpoints will be saved to /x/epoch_3.pth.", None, False, ""),
        ("Saving checkpoint at the end", None, False, ""),
    ],
)  # fmt: skip
def test_saved_checkpoints(body: str, number: int | None, by_epoch: bool, file: str) -> None:
    event = mmengine1.parse_line(FILE + body, 3.0, 4.0)
    assert isinstance(event, LogMilestone)
    expected = (number, None, file) if by_epoch else (None, number, file)
    assert (event.epochs, event.iterations, event.file) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Epoch [1][150/8576]\tlr: 7.468e-04, eta: 13:56:37, time: 0.574, memory: 6188, loss: 0.5",
         (1, 150, 8576, 13 * 3600 + 56 * 60 + 37.0, {"lr": 7.468e-04, "time": 0.574,
                                                    "memory": 6188.0, "loss": 0.5})),
        ("Iter [50/80000]\tlr: 1.000e-02, eta: 1 day, 0:01:02, loss: nan",
         (None, 50, 80000, 86462.0, None)),
        ("Epoch [1][5/9]\tlr_a: 1.0e-03 lr_b: 2.0e-03, loss: 1.0",
         (1, 5, 9, None, {"lr_a": 1e-3, "lr_b": 2e-3, "loss": 1.0})),
    ],
)  # fmt: skip
def test_mmcv_iterations(
    body: str, expected: tuple[int | None, int, int, float | None, dict[str, float] | None]
) -> None:
    event = mmcv1.parse_line(MMCV + body, 0.0, 0.0)
    assert isinstance(event, IterationLogged)
    assert (event.epoch, event.iteration, event.total, event.eta_s) == expected[:4]
    if expected[4] is not None:
        assert event.metrics == expected[4]


def test_mmcv_evaluation_has_no_total_and_skips_words() -> None:
    event = mmcv1.parse_line(
        MMCV + "Epoch(val) [5][2476]\tmAP: 0.8440, bbox_mAP_copypaste: 0.4 0.5 0.6, AP50: 0.8440",
        0.0,
        0.0,
    )
    assert isinstance(event, EvaluationLogged)
    assert (event.epoch, event.iteration, event.total) == (5, 2476, None)
    assert event.metrics == {"mAP": 0.844, "AP50": 0.844}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0:16:36", 996.0),
        ("1 day, 0:00:01", 86401.0),
        ("12 days, 1:00:00", 12 * 86400 + 3600.0),
        ("nan:0:0", None),
        ("soon", None),
        ("", None),
    ],
)
def test_eta(text: str, expected: float | None) -> None:
    assert seconds_of(text) == expected


def test_stamps_with_and_without_a_year() -> None:
    stamp = time.mktime((2026, 11, 23, 6, 20, 46, 0, 0, -1))
    assert logged_at(FILE + "x") == stamp
    assert logged_at("2026-11-23 06:20:46,250 - mmdet - INFO - x") == stamp + 0.25
    assert logged_at("11/23 06:20:46 - mmengine - INFO - x", before=stamp + 3600) == stamp
    # On New Year's morning the console's "11/23" is last year's.
    assert logged_at("11/23 06:20:46 - mmengine - INFO - x", before=stamp + 40 * 86400) == stamp
    assert logged_at("11/23 06:20:46 - mmengine - INFO - x") is None
    assert logged_at("2026/02/30 06:20:46 - mmengine - INFO - x") is None
    assert logged_at("no stamp") is None


_pieces = st.sampled_from(
    ["Epoch(train)", "Epoch(val)", "Iter(train)", "Epoch ", "[1]", "[", "]", "[1/", "5/9]", "\t",
     "  ", ": ", "lr: 1e-3", "eta: ", "1 day, ", "0:00:01", ", ", "loss: nan", " - INFO - ",
     "\u0661",
     "loss: 1e999", "Config:", "after_run:", "9" * 5000, "²"]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(_pieces, max_size=12).map("".join)))
def test_never_raises(line: str) -> None:
    mmengine1.parse_line(line, 0.0, 0.0)
    mmcv1.parse_line(line, 0.0, 0.0)
    mmengine1.split_prefix(line)
    logged_at(line, before=1e9)
