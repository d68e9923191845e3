"""What an evaluator is asked for, and what is monitored of it."""

from __future__ import annotations

from typing import Any

import pytest
from dualwatch.frameworks.mmengine.config import measured

BOXES = {"type": "FasterRCNN", "roi_head": {"type": "StandardRoIHead", "bbox_head": {}}}
MASKS = {"type": "MaskRCNN", "roi_head": {"bbox_head": {}, "mask_head": {"type": "FCNMaskHead"}}}

DINO = {"type": "DINO", "bbox_head": {"type": "DINOHead"}}


def keys(values: dict[str, Any], *, tried: bool = False) -> list[str]:
    return [one.key for one in measured.defects(values, tried=tried)]


def best(name: Any, **evaluator: Any) -> dict[str, Any]:
    return {
        "val_dataloader": {},
        "val_evaluator": {"type": "CocoMetric", **evaluator},
        "default_hooks": {"checkpoint": {"save_best": name}},
    }


def stops(name: Any) -> dict[str, Any]:
    hook = {"type": "EarlyStoppingHook", "monitor": name}
    return {"val_evaluator": {"type": "VOCMetric"}, "custom_hooks": [{"type": "EMAHook"}, hook]}


def asked(model: dict[str, Any], *metric: str, kind: str = "CocoMetric") -> dict[str, Any]:
    return {"model": model, "val_evaluator": [{"type": kind, "metric": list(metric)}]}


@pytest.mark.parametrize(
    "values",
    [
        best("auto"),
        best("coco/bbox_mAP"),
        best(["coco/bbox_mAP_50"]),
        best("coco/segm_mAP_s", metric=["bbox", "segm"]),
        best("coco/AR@100", metric="proposal"),
        best("coco/person_precision", classwise=True),
        best("mine/bbox_mAP", prefix="mine"),
        best("mAP", type="MyMetric"),
        best("pascal_voc/AP75", type="VOCMetric", iou_thrs=[0.5, 0.75]),
        stops("pascal_voc/mAP"),
        asked(MASKS, "bbox", "segm"),
        asked({"type": "RTMDet", "bbox_head": {"type": "RTMDetInsSepBNHead"}}, "segm"),
        asked({"type": "MyDetector"}, "segm"),
        asked(BOXES, "bbox", "proposal"),
        asked(BOXES, "whatever", kind="MyMetric"),
    ],
)
def test_what_is_computed_or_not_known(values: dict[str, Any]) -> None:
    assert keys(values) == []


@pytest.mark.parametrize(
    ("values", "key"),
    [
        (best("bbox_mAP"), "default_hooks.checkpoint.save_best"),
        (best("pascal_voc/mAP"), "default_hooks.checkpoint.save_best"),
        (best("coco/mAP"), "default_hooks.checkpoint.save_best"),
        (best("coco/segm_mAP"), "default_hooks.checkpoint.save_best"),
        (best("pascal_voc/AP75", type="VOCMetric"), "default_hooks.checkpoint.save_best"),
        (stops("mAP"), "custom_hooks.1.monitor"),
        (asked(BOXES, "mAP"), "val_evaluator.0.metric"),
        (asked(BOXES, "bbox", kind="VOCMetric"), "val_evaluator.0.metric"),
        (asked(BOXES, "bbox", "segm"), "val_evaluator.0.metric"),
        (
            asked({"type": "DINO", "bbox_head": {"type": "DINOHead"}}, "segm"),
            "val_evaluator.0.metric",
        ),
    ],
)
def test_what_is_not_computed(values: dict[str, Any], key: str) -> None:
    assert keys(values) == [key]


def test_what_a_trial_shows_is_reported_once() -> None:
    assert keys(asked(BOXES, "mAP"), tried=True) == []
    assert keys(asked(BOXES, "segm"), tried=True) == ["val_evaluator.0.metric"]
