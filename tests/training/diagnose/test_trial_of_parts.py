"""What is compared of a training's parts before its start: packing, channels; and sound twins."""

from __future__ import annotations

import runpy
import socket
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mmdet")

from dualwatch.agent.mmengine import DESCRIBE_CONFIG

LOAD = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations", "with_bbox": True}]
PACK = {"type": "PackDetInputs"}
SOUND = [*LOAD, PACK]
MIXED = [{"type": "Mosaic"}, {"type": "CachedMixUp"}, {"type": "RandomFlip", "prob": 0.5}, PACK]
BRANCH = {"type": "MultiBranch", "branch_field": ["a"], "a": PACK}
ANCHORS = {
    "type": "AnchorGenerator",
    "ratios": [1.0],
    "scales": [4],
    "strides": [8, 16, 32, 64],
}
MODEL = {
    "type": "RetinaNet",
    "data_preprocessor": {"type": "DetDataPreprocessor"},
    "backbone": {"type": "ResNet", "depth": 18, "out_indices": (1, 2, 3)},
    "neck": {"type": "FPN", "in_channels": [128, 256, 512], "out_channels": 64, "num_outs": 4},
    "bbox_head": {
        "type": "RetinaHead",
        "num_classes": 2,
        "in_channels": 64,
        "anchor_generator": ANCHORS,
    },
}


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial refuses connections in its own process, which is this one here: put back after it."""
    monkeypatch.setattr(socket.socket, "connect", socket.socket.connect)
    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, getattr(socket, name))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")


def failed(model: dict[str, Any], **given: Any) -> list[str]:
    """Keys of what cannot be built of a model, its training loader and other sections."""
    from mmengine.config import Config

    loader = {n: given.pop(n) for n in ("dataset", "collate_fn") if n in given}
    sections = {"default_scope": "mmdet", "model": model, "train_dataloader": loader, **given}
    cfg = Config(sections)
    build = runpy.run_path(str(Path(DESCRIBE_CONFIG).with_name("build_parts.py")))["build"]
    return [one["key"] for one in build(cfg)["failed"]]


def coco(pipeline: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "CocoDataset", "pipeline": pipeline}


def test_a_pipeline_that_packs_nothing() -> None:
    assert failed(MODEL, dataset=coco(LOAD)) == ["train_dataloader.dataset.pipeline"]


@pytest.mark.parametrize(
    "loader",
    [
        {"dataset": coco([*LOAD, PACK])},
        {"dataset": {"type": "MultiImageMixDataset", "dataset": coco(LOAD), "pipeline": [PACK]}},
        {"dataset": coco([*LOAD, BRANCH])},
        {"dataset": {"type": "MultiImageMixDataset", "dataset": coco(LOAD), "pipeline": MIXED}},
        {"dataset": coco([])},
        {"dataset": coco(LOAD), "collate_fn": {"type": "default_collate"}},
    ],
    ids=[
        "packed",
        "packed by its wrapper",
        "packed by a branch",
        "mixed",
        "none",
        "own collate function",
    ],
)
def test_pipelines_that_pack_or_that_are_not_judged(loader: dict[str, Any]) -> None:
    assert failed(MODEL, **loader) == []


def test_a_preprocessor_of_ones_own_may_take_anything() -> None:
    model = {**MODEL, "data_preprocessor": {"type": "BaseDataPreprocessor"}}
    assert failed(model, dataset=coco(LOAD)) == []


def test_a_neck_that_takes_other_channels() -> None:
    neck = {**MODEL["neck"], "in_channels": [512, 1024, 2048]}
    assert failed({**MODEL, "neck": neck}, dataset=coco(SOUND)) == ["model.neck.in_channels"]


def test_a_neck_that_takes_more_maps_than_the_backbone_gives() -> None:
    neck = {**MODEL["neck"], "in_channels": [64, 128, 256, 512]}
    assert failed({**MODEL, "neck": neck}, dataset=coco(SOUND)) == ["model.neck.in_channels"]


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"anchor_generator": {**ANCHORS, "strides": [8, 16, 32]}}, ["model.bbox_head"]),
        ({"in_channels": 128}, ["model.bbox_head.in_channels"]),
        ({}, []),
    ],
    ids=["levels", "channels", "sound"],
)
def test_a_head_on_the_maps_of_the_neck(changed: dict[str, Any], key: list[str]) -> None:
    head = {**MODEL["bbox_head"], **changed}
    assert failed({**MODEL, "bbox_head": head}, dataset=coco(SOUND)) == key


def test_heads_whose_annotations_are_not_loaded() -> None:
    key = ["train_dataloader.dataset.pipeline"]
    mask = {**MODEL, "mask_head": {"type": "YOLACTProtonet"}}
    loads = {**LOAD[1], "with_mask": True}
    assert failed(MODEL, dataset=coco([LOAD[0], PACK])) == key
    assert key[0] in failed(mask, dataset=coco(SOUND))
    assert key[0] not in failed(mask, dataset=coco([LOAD[0], loads, PACK]))


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ({"val_evaluator": {"type": "CocoMetric", "metric": ["bbox"], "ann_file": "no.json"}}, []),
        ({"val_evaluator": {"type": "CocoMetric", "metric": ("bbox", "segm")}}, ["val_evaluator"]),
        ({"val_evaluator": {"type": "VOCMetric", "eval_mode": "12points"}}, ["val_evaluator"]),
        ({"default_hooks": {"a": {"type": "CheckpointHook", "save_best": ["auto"]}}}, []),
        ({"default_hooks": {"a": {"type": "DetVisualizationHook", "draw": True}}}, []),
        (
            {"default_hooks": {"a": {"type": "CheckpointHook", "save_best": ["a", "a"]}}},
            ["default_hooks.a"],
        ),
    ],
)
def test_settings_that_a_class_refuses_by_their_values(
    section: dict[str, Any], keys: list[str]
) -> None:
    assert failed(MODEL, dataset=coco(SOUND), **section) == keys


def test_a_transform_that_fails_at_work() -> None:
    key = "train_dataloader.dataset.pipeline.2"
    several = {"type": "Resize", "scale": [(1333, 640), (1333, 800)], "keep_ratio": True}
    one = {"type": "RandomResize", "scale": [(1333, 640), (1333, 800)], "keep_ratio": True}
    assert failed(MODEL, dataset=coco([*LOAD, several, PACK])) == [key]
    assert failed(MODEL, dataset=coco([*LOAD, one, PACK])) == []


def test_a_metric_whose_annotations_are_not_loaded() -> None:
    loader = {"dataset": {**coco([LOAD[0], PACK]), "test_mode": True}}
    sections = {"val_dataloader": loader, "val_evaluator": {"type": "VOCMetric"}}
    key = ["val_dataloader.dataset.pipeline"]
    assert failed(MODEL, dataset=coco(SOUND), **sections) == key
    sections["val_evaluator"] = {"type": "CocoMetric", "ann_file": "val.json"}
    assert failed(MODEL, dataset=coco(SOUND), **sections) == []


def test_a_data_set_of_an_older_form() -> None:
    older = {**coco(SOUND), "file_client_args": {"backend": "disk"}}
    assert failed(MODEL, dataset=older) == ["train_dataloader.dataset.file_client_args"]


def test_a_transform_that_refuses_a_value() -> None:
    flip = {"type": "RandomFlip", "prob": "0.5"}
    assert failed(MODEL, dataset=coco([*LOAD, flip, PACK])) == [
        "train_dataloader.dataset.pipeline.2"
    ]
