"""What is thought of a data set's files is what MMDetection's and our own data sets really open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dualwatch.datasets import layouts
from dualwatch.frameworks import config_read
from dualwatch.frameworks.mmengine.config.spec import spec_of

pytest.importorskip("torch")
pytest.importorskip("mmdet")
pytest.importorskip("dualmacl.datasets")

XML = """<annotation><size><width>640</width><height>512</height></size><object><name>person</name>
<bndbox><xmin>9</xmin><ymin>9</ymin><xmax>99</xmax><ymax>99</ymax></bndbox></object></annotation>"""
CLASSES = {"metainfo": {"classes": ("person",)}}
KAIST = [f"set00_V000_{kind}_I0000{n}" for n in (1, 2) for kind in ("visible", "lwir")]

CASES: dict[str, dict[str, Any]] = {
    "coco": {"type": "CocoDataset", "ann_file": "a.json", "data_prefix": {"img": "img/"}},
    "coco without a folder": {
        "type": "CocoDataset", "ann_file": "a.json", "data_prefix": {"img": ""}},
    "voc": {"type": "XMLDataset", "ann_file": "list.txt", "data_prefix": {"sub_data_root": "voc"}},
    "voc with its own folders": {
        "type": "XMLDataset", "ann_file": "list.txt", "img_subdir": "img", "ann_subdir": "texts",
        "data_prefix": {"sub_data_root": ""}},
    "voc without a root below": {"type": "XMLDataset", "ann_file": "list.txt"},
    "llvip": {"type": "LLVIPDataset", "split": "train"},
    "llvip with a list": {"type": "LLVIPDataset", "split": "train", "ann_file": "list.txt"},
    "llvip of one": {"type": "LLVIPDataset", "return_modality_pair": False, "modality": "infrared",
                     "ann_file": "list.txt"},
    "llvip with its own folders": {
        "type": "LLVIPDataset", "ann_subdir": "texts", "ann_file": "list.txt",
        "data_prefix": {"visible": "img", "infrared": "img"}},
    "kaist": {"type": "KAISTPairedDataset", "ann_file": "kaist.txt"},
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # Where an XMLDataset without a root below begins.
    for folder in ("img", "voc/JPEGImages", "JPEGImages", "visible/train", "infrared/train"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("1", "2", *KAIST):
            if folder == "JPEGImages" or name not in KAIST:
                (tmp_path / folder / f"{name}.jpg").write_bytes(b"")
    for folder in ("texts", "voc/Annotations", "Annotations"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("1", "2", *KAIST):
            (tmp_path / folder / f"{name}.xml").write_text(XML)
    (tmp_path / "list.txt").write_text("1\n2\n")
    (tmp_path / "kaist.txt").write_text("\n".join(KAIST))
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 640, "height": 512} for n in (1, 2)]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [9, 9, 90, 90], "area": 8100,
              "iscrowd": 0} for n in (1, 2)]  # fmt: skip
    document = {"images": images, "annotations": boxes,
                "categories": [{"id": 1, "name": "person"}]}  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(document))
    return tmp_path


OURS = {"imports": ["dualmacl"]}


@pytest.mark.parametrize("case", CASES)
def test_the_files_are_those_that_the_data_set_opens(root: Path, case: str) -> None:
    from mmdet.registry import DATASETS
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    section = {**CASES[case], "data_root": str(root)}
    spec = spec_of({"train_dataloader": {"dataset": section}, "custom_imports": OURS})
    layout = layouts.of(spec.datasets[0], Path(), *config_read.layouts(spec))
    ours = {str(Path(one).absolute()) for key in layout.keys for one, *_ in layout.files(key)}
    real = DATASETS.build({**section, **CLASSES, "pipeline": [], "test_mode": True})
    theirs = set()
    for index in range(len(real)):
        record = real.get_data_info(index)
        names = ("img_path", "infrared_path", "xml_path")
        theirs |= {str(Path(record[name]).absolute()) for name in names if name in record}
    assert layout.sure
    assert len(layout.keys) == len(real) == 2
    if case == "llvip":  # The images were found by listing their folders; they are not looked for.
        theirs = {path for path in theirs if path.endswith(".xml")}
    assert ours == theirs
