"""Boxes of COCO annotations that can, or cannot, be trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dualwatch.datasets import coco_boxes
from dualwatch.frameworks.mmengine.config import boxed

BOX: dict[str, Any] = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81}
IMAGE = {"id": 1, "file_name": "a.png", "width": 64, "height": 48}
MASKS = {"pipeline": [{"type": "LoadAnnotations", "with_bbox": True, "with_mask": True}]}


def write(folder: Path, *boxes: dict[str, Any], image: dict[str, Any] = IMAGE) -> Path:
    categories = [{"id": 1, "name": "bus"}]
    path = folder / "train.json"
    document = {"images": [image], "annotations": list(boxes), "categories": categories}
    path.write_text(json.dumps(document), "utf-8")
    return path


def without(part: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != name}


def found(path: Path, *, key: str = "train_dataloader.dataset", **dataset: Any) -> list[str]:
    return [one.kind.value for one in boxed.defects(key, dataset, ("bus",), path)]


def test_what_is_counted(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        BOX,
        {**BOX, "image_id": "1"},
        {**BOX, "category_id": 7},
        {**BOX, "bbox": [0.1, 0.1, 0.5, 0.5]},
        {**without(BOX, "area"), "segmentation": [[1, 1, 9, 1, 9, 9]]},
    )
    read = coco_boxes.read(path, ("bus",))
    assert read == coco_boxes.Boxes(5, 2, {"area": 1}, 1, 1, 1, 1)


def test_sound_boxes(tmp_path: Path) -> None:
    path = write(tmp_path, BOX, {**BOX, "category_id": 7})
    assert found(path) == []
    assert found(write(tmp_path, {**BOX, "segmentation": [[1, 1, 9, 1, 9, 9]]}), **MASKS) == []
    assert found(write(tmp_path), key="val_dataloader.dataset") == []


@pytest.mark.parametrize("lacking", ["bbox", "area", "category_id"])
def test_boxes_that_lack_a_key(tmp_path: Path, lacking: str) -> None:
    assert found(write(tmp_path, BOX, without(BOX, lacking))) == ["not-buildable"]


def test_images_without_a_size(tmp_path: Path) -> None:
    path = write(tmp_path, BOX, image=without(IMAGE, "height"))
    assert found(path) == ["not-buildable"]
    assert found(path, key="val_dataloader.dataset") == ["not-buildable"]


@pytest.mark.parametrize(
    "changed",
    [{"image_id": "1"}, {"category_id": 3}, {"bbox": [0.2, 0.2, 0.5, 0.5]}],
    ids=["ids of another type", "unknown category", "relative"],
)
def test_nothing_to_train_on(tmp_path: Path, changed: dict[str, Any]) -> None:
    assert found(write(tmp_path, {**BOX, **changed})) == ["classes"]
    assert found(write(tmp_path, {**BOX, **changed}, BOX)) == []


def test_boxes_for_a_model_of_masks(tmp_path: Path) -> None:
    assert found(write(tmp_path, BOX), **MASKS) == ["not-buildable"]


@pytest.mark.parametrize("text", ["[]", "{}", '{"images": 3}'])
def test_other_files_are_not_judged(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, "utf-8")
    assert found(path) == []
