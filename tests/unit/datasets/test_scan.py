"""Data sets of real files: what their annotations name is there, is not, or cannot be told."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from dualwatch.datasets import annotations as labels
from dualwatch.datasets import file_index, scan
from dualwatch.datasets.scan import NAMED, SAMPLE, look
from dualwatch.events import DataSeen, DataSet
from dualwatch.frameworks import config_read
from dualwatch.frameworks.mmengine.config.spec import spec_of

XML = "<annotation><size><width>1</width><height>1</height></size></annotation>"
OURS = {"custom_imports": {"imports": ["dualmacl"]}}


def fill(folder: Path, *names: str, text: str = "x") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(text, encoding="utf-8")


def coco(path: Path, names: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    path.write_text(json.dumps({"images": images, "annotations": []}), encoding="utf-8")
    return path


def look_through(values: Any, **options: Any) -> DataSeen:
    spec = spec_of(values)
    return look(spec.datasets, *config_read.layouts(spec), at=0.0, wall=0.0, **options)


def see(dataset: Any, others: Any = None, **options: Any) -> DataSet:
    given = {"train_dataloader": {"dataset": dataset}, **(others or {})}
    (one,) = look_through(given, **options).sets
    return one


def names(paths: Any) -> list[str]:
    return [Path(path).name for path in paths]


@pytest.fixture
def llvip(tmp_path: Path) -> dict[str, Any]:
    for kind in ("visible", "infrared"):
        for split in ("train", "test"):
            fill(tmp_path / kind / split, *(f"{n}.jpg" for n in range(30)))
    fill(tmp_path / "Annotations", *(f"{n}.xml" for n in range(30)), text=XML)
    return {"type": "LLVIPDataset", "data_root": str(tmp_path), "split": "train"}


# --- COCO ------------------------------------------------------------------------------------


def test_images_that_a_coco_file_names(tmp_path: Path) -> None:
    fill(tmp_path / "img", *(f"{n}.jpg" for n in range(40)))
    fill(tmp_path / "img/deep", "a.jpg")
    coco(tmp_path / "ann/a.json", [f"{n}.jpg" for n in range(42)] + ["deep/a.jpg", "deep/b.jpg"])
    dataset = {"type": "CocoDataset", "data_root": str(tmp_path), "ann_file": "ann/a.json",
               "data_prefix": {"img": "img/"}}  # fmt: skip
    seen = see(dataset)
    assert (seen.key, seen.kind) == ("train_dataloader.dataset", "CocoDataset")
    assert (seen.images, seen.looked_at, seen.lacking) == (44, 44, 3)
    assert names(seen.absent) == ["40.jpg", "41.jpg", "b.jpg"]
    assert Path(seen.absent[0]) == tmp_path / "img/40.jpg"
    assert (seen.why, seen.broken) == ("", ())


def test_the_form_of_mmdet_2(tmp_path: Path) -> None:
    fill(tmp_path / "img", "1.jpg")
    coco(tmp_path / "a.json", ["1.jpg", "2.jpg"])
    dataset = {"type": "CocoDataset", "ann_file": str(tmp_path / "a.json"),
               "img_prefix": str(tmp_path / "img")}  # fmt: skip
    (one,) = look_through({"data": {"train": dataset}}).sets
    assert (one.key, one.looked_at, names(one.absent)) == ("data.train", 2, ["2.jpg"])


def test_a_sample_is_evenly_spread_and_all_are_all(tmp_path: Path) -> None:
    count = 3 * SAMPLE
    fill(tmp_path, *(f"{n}.jpg" for n in range(count) if n % 3))
    coco(tmp_path / "a.json", [f"{n}.jpg" for n in range(count)])
    dataset = {"type": "CocoDataset", "data_root": str(tmp_path), "ann_file": "a.json"}
    some, every = see(dataset), see(dataset, all_images=True)
    assert (some.looked_at, some.lacking) == (SAMPLE, SAMPLE)
    assert names(some.absent[:2]) == ["0.jpg", "3.jpg"]
    assert (every.images, every.looked_at, every.lacking) == (count, count, SAMPLE)
    assert len(every.absent) == NAMED


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "it is empty"), ("{", "not valid JSON"), ("[]", "no list of images"),
     ("{}", "no list of images"),
     ('{"images": []}', "no image"), ('{"images": [3]}', "no file_name"), ("[" * 200_000, "nested"),
     ('{"images": [{"file_name": ""}]}', "no file_name"), ('{"images": {}}', "no list of images")],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_a_broken_annotation_file_is_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    seen = see({"type": "CocoDataset", "data_root": str(tmp_path), "ann_file": "a.json"})
    assert (seen.images, seen.looked_at, seen.absent) == (None, 0, ())
    assert "cannot be used" in seen.why
    assert "a.json: " in seen.broken[0]
    assert words in seen.broken[0]


def test_what_is_not_there_at_all(tmp_path: Path) -> None:
    seen = see({"type": "CocoDataset", "data_root": str(tmp_path), "ann_file": "a.json"})
    assert (seen.images, seen.absent) == (None, (str(tmp_path / "a.json"),))
    assert seen.why
    seen = see({"type": "LLVIPDataset", "data_root": str(tmp_path)}, OURS)
    assert (seen.images, seen.absent) == (None, (str(tmp_path / "visible/train"),))


# --- large annotation files --------------------------------------------------------------------


LARGE = [f"图 {n} \\u00e9 {'x' * (n % 7)}.jpg" for n in range(5000)]


@pytest.mark.parametrize("first", [True, False], ids=["images first", "images last"])
def test_of_a_large_file_only_the_list_of_images_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    images = [{"id": n, "file_name": name, "nested": {"a": [1]}} for n, name in enumerate(LARGE)]
    rest = {"annotations": [{"note": '"images": [ in a text', "id": n} for n in range(5000)]}
    document = {"images": images, **rest} if first else {**rest, "images": images}
    for escaped in (True, False):
        path = tmp_path / "a.json"
        path.write_text(json.dumps(document, ensure_ascii=escaped, indent=1), encoding="utf-8")
        for piece in (1 << 20, 997):
            monkeypatch.setattr(labels, "_PIECE", piece)
            monkeypatch.setattr(labels, "WHOLE", 1)
            assert labels.coco_images(path) == LARGE


@pytest.mark.parametrize(
    ("text", "words"),
    [('{"images": [{"file_name": "a"}], "annotations": [1, 2', "end is missing"),
     ('{"images": [{"file_name": "a"} {"b": ', "end is missing"),
     ('{"images": [{"file_name": "a", }]}', "not valid JSON"), ('{"a": []}', "no list of images"),
     ('{"images": [12]}', "no file_name"), ('{"images": []}', "no image")],
)  # fmt: skip
def test_a_large_broken_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.setattr(labels, "WHOLE", 1)
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(labels.BrokenAnnotation, match=words):
        labels.coco_images(tmp_path / "a.json")


def test_a_file_that_is_too_large_for_the_time_is_not_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "WHOLE", 1)
    monkeypatch.setattr(labels, "PATIENCE", -1.0)
    coco(tmp_path / "a.json", ["1.jpg"])
    seen = see({"type": "CocoDataset", "data_root": str(tmp_path), "ann_file": "a.json"})
    assert (seen.images, seen.broken, seen.absent) == (None, (), ())
    assert "too large" in seen.why


# --- VOC, LLVIP, KAIST -------------------------------------------------------------------------


def test_images_and_annotations_of_voc(tmp_path: Path) -> None:
    fill(tmp_path / "VOC2007/JPEGImages", "1.jpg", "2.jpg", "4.jpg")
    fill(tmp_path / "VOC2007/Annotations", "1.xml", "3.xml", "4.xml", text=XML)
    fill(tmp_path, "train.txt", text="1\n2\n3\n\n4\n")
    dataset = {"type": "mmdet.VOCDataset", "data_root": str(tmp_path), "ann_file": "train.txt",
               "data_prefix": {"sub_data_root": "VOC2007/"}}  # fmt: skip
    seen = see(dataset)
    assert (seen.kind, seen.images, seen.lacking) == ("VOCDataset", 4, 2)
    assert names(seen.absent) == ["2.xml", "3.jpg"]
    (tmp_path / "train.txt").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8 text" in see(dataset).broken[0]


def test_images_that_cannot_be_used_are_told(llvip: dict[str, Any], tmp_path: Path) -> None:
    fill(tmp_path / "Annotations", "3.xml", text="<annotation>")
    fill(tmp_path / "Annotations", "4.xml", text="")
    fill(tmp_path / "visible/train", "5.jpg", text="")
    listed = {**llvip, "ann_file": "list.txt"}
    fill(tmp_path, "list.txt", text="\n".join(str(n) for n in range(30)))
    seen = see(listed, OURS)
    assert (seen.images, seen.looked_at, seen.absent) == (30, 30, ())
    assert [Path(one.partition(": ")[0]).name for one in seen.broken] == ["5.jpg", "3.xml", "4.xml"]


def test_a_folder_of_pairs_needs_an_annotation_for_each(
    llvip: dict[str, Any], tmp_path: Path
) -> None:
    assert see(llvip, OURS) == DataSet(
        key="train_dataloader.dataset", kind="LLVIPDataset", images=30, looked_at=30
    )
    (tmp_path / "Annotations/7.xml").unlink()
    (tmp_path / "infrared/train/8.jpg").unlink()  # Whoever compares pairs tells this one.
    seen = see(llvip, OURS)
    assert (seen.images, seen.lacking, names(seen.absent)) == (30, 1, ["7.xml"])
    fill(tmp_path, "list.txt", text="7\n8\n9\n")
    seen = see({**llvip, "ann_file": "list.txt"}, OURS)
    assert (seen.images, seen.lacking, names(seen.absent)) == (3, 2, ["7.xml", "8.jpg"])
    only = {**llvip, "ann_file": "list.txt", "return_modality_pair": False, "modality": "visible"}
    assert names(see(only, OURS).absent) == ["7.xml"]


def test_pairs_in_one_folder(tmp_path: Path) -> None:
    ids = [f"set00_V000_{{}}_I{n:05d}" for n in range(30)]
    both = [i.format(kind) for i in ids for kind in ("visible", "lwir")]
    fill(tmp_path / "JPEGImages", *(f"{name}.jpg" for name in both[:-1]))
    # One annotation for the two, under either name.
    kinds = ("visible", "lwir")
    fill(tmp_path / "Annotations",
         *(f"{i.format(kinds[n % 2])}.xml" for n, i in enumerate(ids[1:])), text=XML)  # fmt: skip
    fill(tmp_path, "train.txt", text="\n".join(f"{name} 1" for name in both))
    dataset = {"type": "KAISTPairedDataset", "data_root": str(tmp_path), "ann_file": "train.txt"}
    seen = see(dataset, OURS)
    assert (seen.images, seen.looked_at, seen.lacking) == (30, 30, 2)
    assert names(seen.absent) == ["set00_V000_visible_I00000.xml", "set00_V000_lwir_I00029.jpg"]
    assert see(dataset).lacking == 2  # The looks of its list are told by most of its files.
    fill(tmp_path, "train.txt", text="set00\n")
    assert "not a KAIST id" in see(dataset, OURS).broken[0]


def test_real_configurations_of_ours(llvip: dict[str, Any], tmp_path: Path) -> None:
    nested = {"type": "RepeatDataset", "times": 5, "dataset": llvip}
    test = {"dataset": {**llvip, "split": "test"}}
    given = {"train_dataloader": {"dataset": nested}, "val_dataloader": test,
             "test_dataloader": test, **OURS}  # fmt: skip
    words: list[tuple[int, int]] = []
    seen = look_through(given, tell=lambda *count: words.append(count))
    # What two loaders share is told once.
    keys = ["train_dataloader.dataset.dataset", "val_dataloader.dataset"]
    assert [(one.key, one.looked_at) for one in seen.sets] == [(key, 30) for key in keys]
    assert words == [(30, 60), (60, 60)]


# --- what is not known -------------------------------------------------------------------------


def test_an_unknown_type_is_believed_only_where_its_files_are(
    llvip: dict[str, Any], tmp_path: Path
) -> None:
    stranger = {**llvip, "type": "MyPairs"}
    (tmp_path / "Annotations/7.xml").unlink()
    assert see({**stranger, "split": "train"}).lacking == 1
    elsewhere = see({**stranger, "ann_subdir": "labels"})
    assert (elsewhere.images, elsewhere.looked_at, elsewhere.absent) == (None, 0, ())
    assert "MyPairs reads is not known here" in elsewhere.why
    coco(tmp_path / "a.json", ["7.png", "8.png"])
    seen = see({"type": "MyCoco", "data_root": str(tmp_path), "ann_file": "a.json"})
    assert (seen.images, seen.absent) == (None, ())
    assert "2 of 2 were not found" in seen.why


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ({"type": "TinyDataset", "length": 32}, "TinyDataset reads is not known"),
        ({"type": "X", "ann_file": "a.pkl"}, "nor is the form of a.pkl"),
        ({"type": "CocoDataset"}, "names no annotation file"),
        ({"type": "CocoDataset", "ann_file": ["a.json"]}, "ann_file is not a path"),
        ({"type": "CocoDataset", "ann_file": "a", "data_root": "s3://b/c"}, "not on a local disk"),
        ({"type": "X", "ann_file": "a", "data_prefix": {"img": 3}}, "data_prefix is not a path"),
        ({"type": "CocoDataset", "ann_file": "<not read: x.y>"}, "ann_file is computed"),
        ({}, "names no type"),
        ("<not read: make()>", "not written out"),
        (7, "not written out"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_cannot_be_told_has_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: Any, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    seen = see(dataset)
    assert words in seen.why
    assert (seen.images, seen.looked_at, seen.absent, seen.broken) == (None, 0, (), ())


@pytest.mark.parametrize(
    "values", [{}, {"train_dataloader": 3}, {"train_dataloader": {"dataset": None}}]
)
def test_without_data_sets_there_are_none(values: Any) -> None:
    assert look_through(values).sets == ()


def test_names_that_no_file_system_takes(tmp_path: Path) -> None:
    hostile = [
        "a\0b.jpg",
        "x" * 5000 + ".jpg",
        "\x1b[2J\u202e.jpg",
        "../" * 30 + "nowhere.jpg",
        "/no/1.jpg",
    ]
    coco(tmp_path / "a.json", [*hostile, *hostile[:1] * 30])
    seen = see({"type": "CocoDataset", "data_root": str(tmp_path), "ann_file": "a.json"})
    assert (seen.looked_at, seen.lacking) == (35, 35)
    text = "".join(seen.absent)
    assert not set(text) & {"\0", "\x1b", "\u202e"}
    assert max(map(len, seen.absent)) <= 500
    for key in ("data_root", "ann_file", "split"):
        assert see({"type": "X", "data_root": str(tmp_path), key: "a\0b"}).looked_at == 0


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="root may look into every folder"
)
def test_a_folder_that_may_not_be_looked_into_is_not_empty(tmp_path: Path) -> None:
    coco(tmp_path / "a.json", [f"{n}.jpg" for n in range(30)])
    fill(tmp_path / "img", "1.jpg")
    (tmp_path / "img").chmod(0)
    dataset = {"type": "CocoDataset", "data_root": str(tmp_path), "ann_file": "a.json",
               "data_prefix": {"img": "img"}}  # fmt: skip
    seen = see(dataset)
    (tmp_path / "img").chmod(0o700)
    assert (seen.images, seen.absent) == (None, ())
    assert "ermission denied" in seen.why


def test_data_are_looked_for_below_several_roots(llvip: dict[str, Any], tmp_path: Path) -> None:
    found = {**llvip, "data_root": tmp_path.name}
    roots = (tmp_path / "nowhere", tmp_path.parent, tmp_path)
    assert see(found, OURS, roots=roots).looked_at == 30


def test_when_the_time_is_up_the_rest_is_not_looked_at(llvip: dict[str, Any]) -> None:
    seen = see(llvip, OURS, limit=-1.0)
    assert (seen.looked_at, seen.absent) == (0, ())
    assert "time was up" in seen.why


# --- files -------------------------------------------------------------------------------------


def test_a_folder_with_too_many_names_is_asked_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_index, "MOST", 10)
    fill(tmp_path, *(f"{n}.jpg" for n in range(30)))
    asked = [str(tmp_path / f"{n}.jpg") for n in range(40)]
    assert names(sorted(file_index.FileIndex().absent(asked))) == names(sorted(asked[30:]))


def test_a_link_that_leads_nowhere_is_not_there_among_few(tmp_path: Path) -> None:
    try:
        (tmp_path / "a.jpg").symlink_to(tmp_path / "gone.jpg")
    except OSError:
        pytest.skip("no links here")
    assert file_index.FileIndex().absent([str(tmp_path / "a.jpg")]) == {str(tmp_path / "a.jpg")}


def test_spread_takes_what_there_is() -> None:
    assert scan.spread([1, 2, 3], 5) == [1, 2, 3]
    assert scan.spread(range(1000), 4) == [0, 250, 500, 750]
