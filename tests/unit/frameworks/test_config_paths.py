"""Data paths that a configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dualwatch.events import PathsSeen
from dualwatch.frameworks.mmengine.config import paths


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data/img").mkdir(parents=True)
    (tmp_path / "data/train.json").write_text("{}")
    return tmp_path


def look(data: Path, dataset: Any, **more: Any) -> PathsSeen:
    values = {"train_dataloader": {"dataset": dataset}, **more}
    return paths.look(values, (data,))


SOUND = {"data_root": "data/", "ann_file": "train.json", "data_prefix": {"img": "img/"}}


def test_what_exists_is_counted(data: Path) -> None:
    seen = look(data, SOUND)
    assert (seen.missing, seen.folders, seen.files) == ({}, 2, 1)
    wrapped = {"type": "RepeatDataset", "dataset": {"type": "ConcatDataset", "datasets": [SOUND]}}
    assert look(data, wrapped) == seen
    assert look(data, [SOUND, SOUND]) == seen


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"ann_file": "val.json"}, "ann_file"),
        ({"ann_file": ["train.json", "val.json"]}, "ann_file.1"),
        ({"data_prefix": {"img": "images/"}}, "data_prefix.img"),
        ({"data_root": "YOUR_DATA_ROOT/"}, "data_root"),
        ({"data_root": "{{$UNSET}}/coco/"}, "data_root"),
        ({"data_root": "D:\\data\\coco"}, "data_root"),
        ({"data_root": "D:/data/coco"}, "data_root"),
        ({"extra_root": "/nowhere/at/all"}, "extra_root"),
        ({"label_file": "data/labels.txt"}, "label_file"),
    ],
)
def test_what_is_missing(data: Path, changed: dict[str, Any], key: str) -> None:
    assert list(look(data, SOUND | changed).missing) == [f"train_dataloader.dataset.{key}"]


def test_a_path_of_another_system_is_not_joined(data: Path) -> None:
    seen = look(data, SOUND | {"ann_file": "D:\\train.json"})
    assert list(seen.missing.values()) == ["D:\\train.json"]


@pytest.mark.parametrize(
    "changed",
    [
        {"data_root": "s3://bucket/data/", "data_prefix": {}},
        {"ann_file": "https://x/train.json"},
        {"ann_file": "<not read: f()>"},
        {"ann_file": "train_{}.json"},
        {"backend_args": {"backend": "petrel"}, "data_root": "gone"},
        {"type": "CIFAR10", "data_root": "gone"},
    ],
)
def test_what_is_not_looked_for_is_listed(data: Path, changed: dict[str, Any]) -> None:
    seen = look(data, SOUND | changed)
    assert seen.missing == {}
    assert seen.passed_over


def test_images_behind_a_backend(data: Path) -> None:
    pipeline = [{"type": "Load", "backend_args": {"backend": "petrel"}}]
    seen = look(data, SOUND | {"pipeline": pipeline, "data_prefix": {"img": "gone"}})
    assert seen.missing == {}
    assert "petrel" in " ".join(seen.passed_over.values())


def test_the_older_form(data: Path) -> None:
    one = {"ann_file": "data/train.json", "img_prefix": "data/img"}
    other = {"ann_file": ["data/train.json", "gone.json"], "img_prefix": ["data/img", "data/gone"]}
    seen = paths.look({"data": {"train": [one, {"dataset": other}], "test": {"ann_file": "x"}}},
                      (data,))  # fmt: skip
    assert sorted(seen.missing.values()) == ["data/gone", "gone.json"]


def test_an_evaluator_and_a_test_set(data: Path) -> None:
    evaluator = [{"type": "CocoMetric", "ann_file": "data/val.json"}]
    seen = look(
        data, SOUND, val_evaluator=evaluator, test_dataloader={"dataset": {"ann_file": "x"}}
    )
    assert list(seen.missing) == ["val_evaluator.0.ann_file"]


@pytest.mark.parametrize(
    ("pipeline", "missing"),
    [
        ([{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations", "with_mask": True}], False),
        ([{"type": "LoadAnnotations", "with_seg": True}], True),
        ([{"type": "LoadPanopticAnnotations"}], True),
        ([{"type": "MyLoadSegments"}], True),
        ([], True),
    ],
)
def test_a_prefix_of_segmentation_that_nothing_reads(
    data: Path, pipeline: list[dict[str, Any]], missing: bool
) -> None:
    prefixes = {"img": "img/", "seg": "panoptic/"}
    seen = look(
        data, {**SOUND, "type": "CocoDataset", "data_prefix": prefixes, "pipeline": pipeline}
    )
    assert bool(seen.missing) is missing
    assert bool(seen.passed_over) is not missing
