"""Numbers and names of classes that disagree, and healthy ones that look like it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dualwatch.events import DefectKind
from dualwatch.frameworks.mmengine.config import annotated, classes, joined


def detector(head: int, dataset: dict[str, Any], **model: Any) -> dict[str, Any]:
    return {
        "default_scope": "mmdet",
        "model": {"type": "RetinaNet", "bbox_head": {"num_classes": head}, **model},
        "train_dataloader": {"dataset": dataset},
    }


def coco(*names: str, **more: Any) -> dict[str, Any]:
    meta = {"metainfo": {"classes": list(names)}} if names else {}
    return {"type": "CocoDataset", **meta, **more}


def found(values: dict[str, Any]) -> list[DefectKind]:
    return [one.kind for one in classes.defects(values)]


@pytest.mark.parametrize(
    "values",
    [
        detector(1, coco("person")),
        detector(80, coco()),
        detector(20, {"type": "RepeatDataset", "times": 3, "dataset": {"type": "VOCDataset"}}),
        detector(80, coco(), rpn_head={"num_classes": 1}, backbone={"num_classes": 10}),
        detector(80, {"type": "CocoPanopticDataset", "metainfo": {"classes": ["a"] * 133}}),
        detector(1, {"type": "MOTChallengeDataset", "metainfo": {"classes": ["a"] * 12}}),
        detector(256, {"type": "ODVGDataset", "metainfo": {"classes": ["a"]}}),
        detector(256, coco("person"), language_model={"type": "BertModel"}),
        detector(3, {"type": "MyDataset"}),
        detector(1, {"type": "MyDataset", "metainfo": {"classes": ["<not read: names()>"]}}),
        {**detector(2, coco("a")), "default_scope": "mmseg"},
        {
            **detector(80, coco()),
            "model": {"type": "RPN", "rpn_head": {"num_classes": 1}},
        },
        {
            "model": {"roi_head": {"mask_head": {"class_agnostic": True, "num_classes": 1}}},
            "train_dataloader": {"dataset": coco("a", "b")},
        },
    ],
)
def test_what_agrees_or_cannot_be_compared(values: dict[str, Any]) -> None:
    assert found(values) == []


@pytest.mark.parametrize(
    "values",
    [
        detector(80, coco("person")),
        detector(1, coco("a", "b")),
        detector(3, coco()),
        detector(20, {"type": "ConcatDataset", "datasets": [coco("a"), coco("a")]}),
        {
            "model": {
                "roi_head": {"bbox_head": [{"num_classes": 2}, {"num_classes": 80}]},
            },
            "train_dataloader": {"dataset": coco("a", "b")},
        },
        {**detector(1, coco("a")), "val_dataloader": {"dataset": coco("b")}},
        {**detector(2, coco("a", "b")), "val_dataloader": {"dataset": coco("b", "a")}},
        detector(6, {"type": "CocoDataset", "metainfo": {"classes": "person"}}),
    ],
)
def test_what_disagrees(values: dict[str, Any]) -> None:
    assert found(values) == [DefectKind.CLASSES]


def test_classes_that_are_named_by_a_file(tmp_path: Path) -> None:
    names = tmp_path / "names"
    names.write_text("a\nb\n")
    assert found(detector(2, {"type": "D", "metainfo": {"classes": str(names)}})) == []
    assert found(detector(2, {"type": "D", "metainfo": {"classes": "names.txt"}})) == []


def classifier(head: int, **train_cfg: Any) -> dict[str, Any]:
    return {
        "model": {"head": {"num_classes": head}, "train_cfg": train_cfg},
        "train_dataloader": {"dataset": {"type": "CustomDataset"}},
    }


@pytest.mark.parametrize("classes_of_mixup", [7, None])
def test_augmentations_that_agree(classes_of_mixup: int | None) -> None:
    mixup = {"type": "Mixup", "num_classes": classes_of_mixup}
    assert found(classifier(7, augments=[mixup])) == []


def test_augmentations_of_another_number() -> None:
    values = classifier(7, augments={"type": "mmpretrain.CutMix", "num_classes": 1000})
    (one,) = classes.defects(values)
    assert (one.kind, one.key) == (DefectKind.CLASSES, "model.train_cfg.augments.num_classes")
    assert "1000" in one.text
    values = classifier(7) | {"data_preprocessor": {"num_classes": 10}}
    assert found(values) == [DefectKind.CLASSES]


# --- annotations ---------------------------------------------------------------------------------


def annotation(folder: Path, *names: str) -> str:
    categories = [{"id": n, "name": name} for n, name in enumerate(names)]
    text = json.dumps({"images": [{"file_name": "a"}], "categories": categories})
    (folder / "a.json").write_text(text)
    return str(folder / "a.json")


@pytest.mark.parametrize(
    ("named", "present", "prevents"),
    [
        (["person"], ["person"], []),
        (["person"], ["person", "car"], []),  # A subset may be wanted.
        (["person"], ["Person"], [True]),
        (["person", "car"], ["person"], [True]),
    ],
)
def test_categories(tmp_path: Path, named: Any, present: Any, prevents: Any) -> None:
    dataset = coco(*named, ann_file=annotation(tmp_path, *present))
    found = list(annotated.defects(detector(len(named), dataset), (Path(),)))
    assert [one.prevents for one in found] == prevents


def test_labels_beyond_the_head(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a.jpg 0\nb c.jpg 7\n")
    dataset = {"type": "ImageNet", "ann_file": str(tmp_path / "train.txt")}
    values = classifier(7) | {"train_dataloader": {"dataset": dataset}}
    (one,) = annotated.defects(values, (Path(),))
    assert (one.kind, one.prevents) == (DefectKind.LABEL, True)
    assert "line 2" in one.text
    values = classifier(8) | {"train_dataloader": {"dataset": dataset}}
    assert list(annotated.defects(values, (Path(),))) == []


def test_folders_as_classes(tmp_path: Path) -> None:
    for name in ("cat", "dog", "eel"):
        (tmp_path / name).mkdir()
    dataset = {"type": "CustomDataset", "data_root": str(tmp_path)}
    for head, expected in ((3, []), (2, [DefectKind.LABEL])):
        values = classifier(head) | {"train_dataloader": {"dataset": dataset}}
        assert [one.kind for one in annotated.defects(values, (Path(),))] == expected


@pytest.mark.parametrize(
    ("first", "second", "more", "expected"),
    [
        (["a", "b"], ["a", "b"], {}, []),
        (["a", "b"], ["b", "a"], {}, ["train_dataloader.dataset.datasets.1.metainfo.classes"]),
        (["a"], ["a", "b"], {}, ["train_dataloader.dataset.datasets.1.metainfo.classes"]),
        (["a"], ["b"], {"ignore_keys": ["classes"]}, []),
        (["a"], None, {}, []),
    ],
)
def test_joined_data_sets(first: Any, second: Any, more: Any, expected: list[str]) -> None:
    sets = [{"type": "CocoDataset", "metainfo": {"classes": one}} for one in (first, second)]
    dataset = {"type": "ConcatDataset", "datasets": sets, **more}
    values = {"train_dataloader": {"dataset": dataset}}
    assert [one.key for one in joined.defects(values)] == expected
