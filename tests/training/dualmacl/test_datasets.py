"""Pairs are found, kept through serialisation, and never silently reduced to one image."""

from __future__ import annotations

import pickle
import shutil

import dualmacl  # noqa: F401
import pytest
from dualmacl.datasets import KAISTPairedDataset, LLVIPDataset, MissingPairError
from dualmacl.datasets.voc_xml import AnnotationError, read_voc_xml
from mmdet.registry import DATASETS


@pytest.fixture
def llvip(synthetic, tmp_path):
    """A copy of the synthetic set, to be damaged."""
    return shutil.copytree(synthetic, tmp_path / "llvip")


@pytest.fixture
def kaist(synthetic, tmp_path):
    """Six pairs in KAIST-VOC layout."""
    root = tmp_path / "kaist"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    ids = []
    for number, path in enumerate(sorted((synthetic / "visible" / "train").iterdir())[:6]):
        name = f"set00_V000_{{}}_I{number:05d}"
        ids.append(name)
        shutil.copy(path, root / "JPEGImages" / f"{name.format('visible')}.jpg")
        shutil.copy(
            synthetic / "infrared" / "train" / path.name,
            root / "JPEGImages" / f"{name.format('lwir')}.jpg",
        )
        shutil.copy(
            synthetic / "Annotations" / f"{path.stem}.xml",
            root / "Annotations" / f"{name.format('visible')}.xml",
        )
    lines = [name.format("visible") for name in ids]
    (root / "ImageSets" / "Main" / "train.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize("serialize", [True, False])
def test_llvip_pairs_survive_serialisation(synthetic, serialize):
    dataset = DATASETS.build(
        {"type": "LLVIPDataset", "data_root": str(synthetic), "serialize_data": serialize}
    )
    assert len(dataset) == 24
    # As a worker under spawn receives it.
    arrived = pickle.loads(pickle.dumps(dataset))
    for index in range(24):
        info = arrived.get_data_info(index)
        assert info["img_path"].replace("visible", "infrared") == info["infrared_path"]
        assert info["img_id"] in info["infrared_path"]


def test_getting_a_pair_reads_no_folder(synthetic, monkeypatch):
    """O(1): after the construction no directory is listed and no path is tried."""
    dataset = LLVIPDataset(data_root=str(synthetic))
    import os

    def forbidden(*args, **kwargs):
        raise AssertionError("the file system was searched")

    for name in ("scandir", "listdir", "stat"):
        monkeypatch.setattr(os, name, forbidden)
    assert dataset.get_data_info(7)["infrared_path"].endswith("010008.jpg")


@pytest.mark.parametrize("modality", ["visible", "infrared"])
def test_a_single_modality_is_an_ordinary_data_set(llvip, modality):
    other = {"visible": "infrared", "infrared": "visible"}[modality]
    shutil.rmtree(llvip / other)
    dataset = LLVIPDataset(data_root=str(llvip), return_modality_pair=False, modality=modality)
    info = dataset.get_data_info(0)
    assert f"/{modality}/" in info["img_path"].replace("\\", "/")
    assert "infrared_path" not in info
    assert len(dataset) == 24


@pytest.mark.parametrize("modality", ["visible", "infrared"])
def test_a_missing_partner_is_an_error_that_names_both(llvip, modality):
    (llvip / modality / "train" / "010005.jpg").unlink()
    with pytest.raises(MissingPairError) as caught:
        LLVIPDataset(data_root=str(llvip))
    message = str(caught.value)
    for name in ("visible", "infrared"):
        assert str(llvip / name / "train" / "010005.jpg") in message
    assert message.count("MISSING") == 1
    line = next(line for line in message.splitlines() if "MISSING" in line)
    assert line.strip().startswith(modality)


def test_missing_partners_can_be_dropped_and_are_counted(llvip, caplog):
    (llvip / "infrared" / "train" / "010005.jpg").unlink()
    (llvip / "visible" / "train" / "010009.jpg").unlink()
    dataset = LLVIPDataset(data_root=str(llvip), on_missing_pair="drop")
    ids = [dataset.get_data_info(index)["img_id"] for index in range(len(dataset))]
    assert dataset.num_dropped == 2
    assert len(ids) == 22
    assert not {"010005", "010009"} & set(ids)


def test_nothing_left_is_an_error(llvip):
    shutil.rmtree(llvip / "infrared" / "train")
    (llvip / "infrared" / "train").mkdir()
    with pytest.raises(FileNotFoundError, match="no usable image"):
        LLVIPDataset(data_root=str(llvip), on_missing_pair="drop")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="visible"):
        LLVIPDataset(data_root=str(tmp_path / "nowhere"))


def test_misspelt_policy_is_refused(synthetic):
    with pytest.raises(ValueError, match="on_missing_pair"):
        LLVIPDataset(data_root=str(synthetic), on_missing_pair="ignore")
    with pytest.raises(ValueError, match="modality"):
        LLVIPDataset(data_root=str(synthetic), modality="thermal")


@pytest.mark.parametrize("listed", ["visible", "lwir", "both"])
def test_kaist_pairs_are_found_from_either_id(kaist, listed):
    path = kaist / "ImageSets" / "Main" / "train.txt"
    visible = path.read_text().split()
    infrared = [line.replace("visible", "lwir") for line in visible]
    path.write_text(
        "\n".join({"visible": visible, "lwir": infrared, "both": visible + infrared}[listed])
    )
    dataset = KAISTPairedDataset(data_root=str(kaist), ann_file="ImageSets/Main/train.txt")
    assert len(dataset) == 6
    info = dataset.get_data_info(2)
    assert info["img_path"].endswith("set00_V000_visible_I00002.jpg")
    assert info["infrared_path"].endswith("set00_V000_lwir_I00002.jpg")


def test_kaist_missing_partner_names_both(kaist):
    (kaist / "JPEGImages" / "set00_V000_lwir_I00003.jpg").unlink()
    with pytest.raises(MissingPairError) as caught:
        KAISTPairedDataset(data_root=str(kaist), ann_file="ImageSets/Main/train.txt")
    assert "set00_V000_visible_I00003.jpg" in str(caught.value)
    assert "set00_V000_lwir_I00003.jpg" in str(caught.value)


def test_kaist_strange_id_is_named(kaist):
    (kaist / "ImageSets" / "Main" / "train.txt").write_text("picture_17\n")
    with pytest.raises(ValueError, match="picture_17"):
        KAISTPairedDataset(data_root=str(kaist), ann_file="ImageSets/Main/train.txt")


def test_kaist_crowds_are_ignored_boxes():
    xml = b"""<annotation><size><width>64</width><height>64</height></size>
    <object><name>people</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>20</ymax>
    </bndbox></object><object><name>dog</name></object>
    <object><name>person</name><bndbox><xmin>5</xmin><ymin>2</ymin><xmax>9</xmax><ymax>20</ymax>
    </bndbox></object></annotation>"""
    record = read_voc_xml(xml, "a.xml", {"person": 0}, frozenset({"people"}))
    assert [(i["bbox"], i["ignore_flag"]) for i in record["instances"]] == [
        ([0, 1, 8, 19], 1),
        ([4, 1, 8, 19], 0),
    ]


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"<annotation/>",
        b"<annotation><size><width>x</width><height>1</height></size></annotation>",
        b"<annotation><size><width>9</width><height>9</height></size><object><name>person</name>"
        b"</object></annotation>",
        b"<annotation><size><width>9</width><height>9</height></size><object><name>person</name>"
        b"<bndbox><xmin>5</xmin><ymin>5</ymin><xmax>5</xmax><ymax>9</ymax></bndbox>"
        b"</object></annotation>",
    ],
)
def test_a_bad_annotation_names_its_file(xml):
    with pytest.raises(AnnotationError, match=r"broken\.xml"):
        read_voc_xml(xml, "broken.xml", {"person": 0})


def test_a_missing_annotation_is_an_error(llvip):
    (llvip / "Annotations" / "010004.xml").unlink()
    with pytest.raises(FileNotFoundError, match="010004"):
        LLVIPDataset(data_root=str(llvip))


def test_empty_images_can_be_left_out(llvip):
    xml = llvip / "Annotations" / "010004.xml"
    xml.write_text("<annotation><size><width>160</width><height>128</height></size></annotation>")
    everything = LLVIPDataset(data_root=str(llvip))
    with_persons = LLVIPDataset(data_root=str(llvip), filter_cfg={"filter_empty_gt": True})
    ids = {with_persons.get_data_info(i)["img_id"] for i in range(len(with_persons))}
    assert len(everything) == 24
    assert "010004" not in ids
