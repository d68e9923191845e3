"""Schedules, validations and checkpoints that never come into force."""

from __future__ import annotations

from typing import Any

import pytest
from dualwatch.frameworks.mmengine.config import reach

LOOP = {"train_cfg": {"by_epoch": True, "max_epochs": 12}}
VALIDATED = {**LOOP, "val_dataloader": {}, "val_evaluator": {"type": "CocoMetric"}}
WARM = {"type": "LinearLR", "by_epoch": False, "begin": 0, "end": 500}
VALIDATES = "train_cfg.val_interval"
ITERATIONS = {"train_cfg": {"type": "IterBasedTrainLoop", "max_iters": 900, "val_interval": 90}}
SAVES = {"type": "CheckpointHook", "interval": 1}
STEPS = {"type": "MultiStepLR", "begin": 0, "end": 12, "milestones": [8, 11]}


def keys(values: dict[str, Any]) -> list[str]:
    return [one.key for one in reach.defects(values)]


@pytest.mark.parametrize(
    "values",
    [
        {**LOOP, "param_scheduler": [WARM, STEPS]},
        {**LOOP, "param_scheduler": STEPS},
        {**LOOP, "param_scheduler": [{**WARM, "end": 10**9}, {"type": "CosineAnnealingLR"}]},
        {
            **LOOP,
            "param_scheduler": [
                {"type": "CosineAnnealingLR", "end": 6},
                {"type": "PolyLR", "begin": 6},
                {"type": "CosineAnnealingMomentum"},
            ],
        },
        {**VALIDATED, "train_cfg": {**LOOP["train_cfg"], "val_interval": 13}},  # None, on purpose.
        {**VALIDATED, "train_cfg": {**LOOP["train_cfg"], "val_interval": 12}},
        {**ITERATIONS, "param_scheduler": [WARM, {**STEPS, "by_epoch": False}]},
        {**ITERATIONS, "param_scheduler": [{**STEPS, "convert_to_iter_based": True}]},
        {**ITERATIONS, "default_hooks": {"checkpoint": {**SAVES, "by_epoch": False}}},
        {**LOOP, "default_hooks": {"checkpoint": SAVES}},
        {**LOOP, "param_scheduler": [{"type": "LinearLR", "start_factor": 0.1, "end": 3}]},
        {**LOOP, "param_scheduler": [{"type": "LinearLR", "start_factor": 1.0, "end": 20}]},
        {"param_scheduler": [STEPS]},
        {"optim_wrapper": {"optimizer": {"lr": 1e-8}}},
    ],
)
def test_what_is_reached_or_not_known(values: dict[str, Any]) -> None:
    assert keys(values) == []


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({**LOOP, "param_scheduler": [{**STEPS, "begin": 12}]}, "param_scheduler.begin"),
        ({**LOOP, "param_scheduler": [{**STEPS, "begin": 5, "end": 5}]}, "param_scheduler.end"),
        (
            {**LOOP, "param_scheduler": [{**STEPS, "milestones": [16]}]},
            "param_scheduler.milestones",
        ),
        ({**LOOP, "param_scheduler": [STEPS, {"type": "CosineAnnealingLR"}]}, "param_scheduler.1"),
        ({**VALIDATED, "train_cfg": {"max_epochs": 12, "val_begin": 30}}, "train_cfg.val_begin"),
        (
            {**VALIDATED, "train_cfg": {"max_epochs": 1, "val_interval": 4}},
            "train_cfg.val_interval",
        ),
        ({**ITERATIONS, "param_scheduler": [STEPS]}, "param_scheduler.by_epoch"),
        (
            {**ITERATIONS, "default_hooks": {"checkpoint": SAVES}},
            "default_hooks.checkpoint.by_epoch",
        ),
        (
            {**LOOP, "param_scheduler": [{"type": "LinearLR", "start_factor": 0.1, "end": 500}]},
            "param_scheduler.end",
        ),
        ({"optim_wrapper": {"optimizer": {"lr": 0.0}}}, "optim_wrapper.optimizer.lr"),
    ],
)
def test_what_is_asked_for_in_vain(values: dict[str, Any], key: str) -> None:
    assert keys(values) == [key]
