"""Settings that a Runner ignores, takes for something else, or refuses by their values."""

from __future__ import annotations

from typing import Any

import pytest
from dualwatch.core.unread import mark
from dualwatch.frameworks.mmengine.config import ignored, weights

LONG = {"class_weight": [1.0] * 134}
OWN = {"type": "DetDataPreprocessor", "mean": [1.0]}


def keys(values: dict[str, Any]) -> list[str]:
    return [one.key for one in ignored.defects(values)]


def wrapped(**settings: Any) -> dict[str, Any]:
    return {"optim_wrapper": {"type": "OptimWrapper", **settings}}


def resnet(depth: int, weights: str) -> dict[str, Any]:
    initial = {"type": "Pretrained", "checkpoint": weights}
    return {"model": {"backbone": {"type": "ResNet", "depth": depth, "init_cfg": initial}}}


@pytest.mark.parametrize(
    "values",
    [
        {"data_preprocessor": OWN, "model": {"type": "A"}},
        {"data_preprocessor": OWN, "model": {"data_preprocessor": dict(OWN)}},
        {"data_preprocessor": OWN, "model": {"data_preprocessor": {"mean": mark("mean")}}},
        {"resume": True, "load_from": "a.pth"},
        {"auto_scale_lr": {"enable": True, "base_batch_size": 16}},
        {"auto_scale_lr": {"enable": False}},
        {"train_cfg": {"val_interval": 0}},
        {"train_cfg": {"val_interval": 5}, "val_dataloader": {}},
        wrapped(paramwise_cfg={"custom_keys": {"backbone": {"lr_mult": 0.1}}}),
        wrapped(constructor="MyConstructor", paramwise_cfg={"decay_rate": 0.9}),
        wrapped(clip_grad={"max_norm": 35, "norm_type": 2}),
        wrapped(clip_grad={"type": "value", "clip_value": 1.0}),
        wrapped(clip_grad={"type": "mine", "anything": 1.0}),
        wrapped(),
        resnet(101, "torchvision://resnet101"),
        resnet(50, "open-mmlab://detectron/resnet50_caffe"),
        resnet(50, "mine.pth"),
    ],
)
def test_what_is_read_as_it_is_meant(values: dict[str, Any]) -> None:
    assert keys(values) == []


@pytest.mark.parametrize(
    ("values", "key"),
    [
        (
            {"data_preprocessor": OWN, "model": {"data_preprocessor": {**OWN, "mean": [2.0]}}},
            "data_preprocessor",
        ),
        ({"resume": "work_dirs/a/epoch_8.pth"}, "resume"),
        ({"auto_scale_lr": {"enable": True}}, "auto_scale_lr.base_batch_size"),
        ({"train_cfg": {"val_interval": 0}, "val_dataloader": {}}, "train_cfg.val_interval"),
        (
            wrapped(paramwise_cfg={"custom_key": {"backbone": {"lr_mult": 0.1}}}),
            "optim_wrapper.paramwise_cfg.custom_key",
        ),
        (wrapped(clip_grad={"max_norms": 35}), "optim_wrapper.clip_grad.max_norms"),
        (resnet(101, "torchvision://resnet50"), "model.backbone.init_cfg.checkpoint"),
    ],
)
def test_what_is_not(values: dict[str, Any], key: str) -> None:
    assert keys(values) == [key]


@pytest.mark.parametrize(
    ("head", "is_wrong"),
    [
        ({"num_classes": 3, "loss_cls": {"class_weight": [1.0] * 3}}, False),
        ({"num_classes": 3, "loss_cls": {"class_weight": [1.0] * 4}}, False),
        ({"num_classes": 3, "loss_cls": {"class_weight": [1.0] * 81}}, True),
        ({"num_classes": 3, "loss_cls": {"class_weight": 0.1}}, False),
        ({"num_classes": 3, "loss_cls": {"class_weight": mark("[1.0] * n")}}, False),
        (
            {
                "num_things_classes": 3,
                "num_stuff_classes": 0,
                "loss_cls": {"class_weight": [1] * 134},
            },
            True,
        ),
    ],
)
def test_class_weights(head: dict[str, Any], is_wrong: bool) -> None:
    found = list(weights.defects({"model": {"roi_head": {"bbox_head": [{}, head]}}}))
    key = "model.roi_head.bbox_head.1.loss_cls.class_weight"
    assert [one.key for one in found] == ([key] if is_wrong else [])
