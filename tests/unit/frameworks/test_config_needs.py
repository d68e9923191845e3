"""Whether a configuration describes a training."""

from __future__ import annotations

from typing import Any

import pytest
from dualwatch.events import DefectKind
from dualwatch.frameworks.mmengine.config import needs

SOUND: dict[str, Any] = {
    "model": {"type": "RetinaNet"},
    "train_dataloader": {"batch_size": 2},
    "train_cfg": {"by_epoch": True, "max_epochs": 12},
    "optim_wrapper": {"type": "OptimWrapper"},
}
VALIDATION = {"val_dataloader": {}, "val_cfg": {}, "val_evaluator": {}}
OLD = {"data": {"train": {}}, "runner": {"max_epochs": 3}, "optimizer": {"lr": 0.1}}


def kinds(values: dict[str, Any]) -> list[DefectKind]:
    return [one.kind for one in needs.defects(values)]


@pytest.mark.parametrize(
    "values",
    [
        SOUND,
        SOUND | VALIDATION,
        SOUND | {"train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": 1}},
        SOUND | {"train_cfg": {"type": "mmengine.IterBasedTrainLoop", "max_iters": 10}},
        SOUND | {"train_cfg": {"by_epoch": False, "max_iters": 10}},
        SOUND | {"train_cfg": {"type": "MyLoop", "rounds": 3}},
        SOUND | {"data": "a variable of one's own"},
        {"runner_type": "MyRunner", "model": {}},
    ],
)
def test_a_training(values: dict[str, Any]) -> None:
    assert kinds(values) == []


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"dataset_type": "CocoDataset", "data_root": "x"},
        {key: value for key, value in SOUND.items() if key != "model"},
        {key: value for key, value in SOUND.items() if key != "optim_wrapper"},
        {"train_dataloader": {}, **VALIDATION},
        {"model": {}, "test_dataloader": {}, "test_cfg": {}, "test_evaluator": {}},
    ],
)
def test_no_training(values: dict[str, Any]) -> None:
    assert kinds(values) == [DefectKind.NOT_A_TRAINING]


def test_a_configuration_for_testing_is_called_that() -> None:
    values = {"model": {}, "test_dataloader": {}, "test_cfg": {}, "test_evaluator": {}}
    (found,) = needs.defects(values)
    assert "tested" in found.text
    assert "train_dataloader" in found.do


@pytest.mark.parametrize("left", [OLD, {"data": {}, "total_epochs": 12}])
def test_one_of_an_older_version(left: dict[str, Any]) -> None:
    values = {"model": {"type": "FasterRCNN"}, **left}
    assert needs.is_old(values)
    assert kinds(values) == [DefectKind.OTHER_VERSION]


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"train_cfg": {"max_epochs": 12}}, "train_cfg"),
        ({"train_cfg": {"by_epoch": True, "max_iters": 12}}, "train_cfg"),
        ({"train_cfg": {"type": "EpochBasedTrainLoop", "by_epoch": True}}, "train_cfg"),
        ({"train_cfg": {"by_epoch": True, "max_epochs": 1, "max_iters": 1}}, "train_cfg"),
        ({"val_dataloader": {}}, "val_cfg"),
        ({"val_dataloader": {}, "val_cfg": {}}, "val_evaluator"),
        ({"test_cfg": {}}, "test_dataloader"),
    ],
)
def test_sections_that_belong_together(changed: dict[str, Any], key: str) -> None:
    found = list(needs.defects(SOUND | changed))
    assert [(one.kind, one.key) for one in found] == [(DefectKind.INCOMPLETE, key)]
    assert found[0].do
