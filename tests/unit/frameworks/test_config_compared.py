"""Annotation files: the evaluator's beside the validation's, and images that are too small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dualwatch.frameworks.mmengine.config import annotated, compared


def coco(path: Path, *names: str, first: int = 0, side: int = 64) -> str:
    images = [
        {"id": first + n, "file_name": name, "width": 2 * side, "height": side}
        for n, name in enumerate(names)
    ]
    box = {"image_id": first, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81}
    kinds = [{"id": 1, "name": "bus"}]
    document = {"images": images, "categories": kinds, "annotations": [box]}
    path.write_text(json.dumps(document), "utf-8")
    return path.name


def values(data: str, evaluator: str, **dataset: Any) -> dict[str, Any]:
    settings = {"type": "CocoDataset", "data_root": ".", "ann_file": data, **dataset}
    return {
        "val_dataloader": {"dataset": settings},
        "val_evaluator": {"type": "CocoMetric", "ann_file": evaluator},
    }


def found(folder: Path, given: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(one.key, one.prevents) for one in compared.defects(given, (folder,))]


def test_the_annotations_of_other_images(tmp_path: Path) -> None:
    mine, others = coco(tmp_path / "a.json", "a"), coco(tmp_path / "b.json", "b", first=9)
    assert found(tmp_path, values(mine, others)) == [("val_evaluator.ann_file", True)]


def test_images_of_the_same_ids_and_other_names(tmp_path: Path) -> None:
    mine, others = coco(tmp_path / "a.json", "a"), coco(tmp_path / "b.json", "b")
    assert found(tmp_path, values(mine, others)) == [("val_evaluator.ann_file", True)]


def test_another_file_that_cannot_be_read(tmp_path: Path) -> None:
    given = values("a.json", "b.json")
    assert found(tmp_path, given) == [("val_evaluator.ann_file", False)]


@pytest.mark.parametrize("evaluator", ["a.json", "./a.json", "more.json", "s3://b/other.json"])
def test_the_same_images(tmp_path: Path, evaluator: str) -> None:
    coco(tmp_path / "more.json", "a", "b")
    assert found(tmp_path, values(coco(tmp_path / "a.json", "a"), evaluator)) == []


def test_several_data_sets_are_not_judged(tmp_path: Path) -> None:
    given = values("a.json", "b.json")
    one = given["val_dataloader"]["dataset"]
    given["val_dataloader"] = {"dataset": {"type": "ConcatDataset", "datasets": [one, one]}}
    assert found(tmp_path, given) == []


@pytest.mark.parametrize(("least", "expected"), [(32, []), (128, [True]), (0, [])])
def test_images_that_are_too_small(tmp_path: Path, least: int, expected: list[bool]) -> None:
    settings = {
        "type": "CocoDataset",
        "ann_file": coco(tmp_path / "a.json", "a", "b"),
        "filter_cfg": {"min_size": least},
    }
    given = {"train_dataloader": {"dataset": settings}}
    assert [one.prevents for one in annotated.defects(given, (tmp_path,))] == expected
