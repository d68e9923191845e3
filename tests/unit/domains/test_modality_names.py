"""Names that speak of visible and infrared images."""

from __future__ import annotations

import pytest
from dualwatch.domains.paired.modality_names import (
    is_paired,
    modality,
    without_modality,
)
from dualwatch.frameworks.mmengine.config.spec import spec_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("infrared/train", "infrared"),
        ("lwir", "infrared"),
        ("img_ir_path", "infrared"),
        ("ThermalImages", "infrared"),
        ("IR", "infrared"),
        ("visible", "visible"),
        ("RGB_test", "visible"),
        ("set00_V000_visible_I01216", "visible"),
        ("visible_and_infrared", None),
        ("train", None),
        ("first", None),
        ("director", None),
        ("provision", None),
        ("", None),
    ],
)
def test_the_modality_of_a_name(name, kind) -> None:
    assert modality(name) == kind


def test_what_two_names_of_a_pair_share() -> None:
    assert without_modality("set00_V000_lwir_I1") == without_modality("set00_V000_visible_I1")
    assert without_modality("a_RGB_1") == without_modality("a_Thermal_1")
    assert without_modality("a_1") == "a_1"


def loader(**dataset):
    return {"train_dataloader": {"batch_size": 2, "dataset": {"type": "D", **dataset}}}


@pytest.mark.parametrize(
    ("values", "paired"),
    [
        (loader(return_modality_pair=True), True),
        (loader(return_modality_pair=False, data_prefix={"a": "visible", "b": "infrared"}), False),
        (loader(data_prefix={"img": "visible/train", "other": "infrared/train"}), True),
        (loader(dataset={"dataset": {"pipeline": [{"type": "LoadImagePair"}]}}), True),
        (loader(pipeline=[{"type": "LoadRGBTFromFiles"}], type="RGBTDataset"), True),
        (loader(data_prefix={"img": "a", "img_ir": "b"}), True),
        (loader(dataset=[{"data_prefix": {"img": "a", "ir": "b"}}]), True),
        (loader(data_prefix={"img_ir": "b"}), False),
        (loader(data_root="data/coco"), False),
        (loader(modality="infrared", pipeline=[{"type": "Normalize", "to_rgb": True}]), False),
        (loader(pipeline="<not read: pipeline>"), None),
        (loader(return_modality_pair="<not read: x>"), None),
        ({**loader(type="D"), "_base_": "a.py"}, None),
        ({"data": {"train": {"img_prefix": "rgb", "ir_prefix": "ir"}}}, True),
        ({"data": {"train": {"type": "CocoDataset"}}}, False),
        ({"train_dataloader": {"batch_size": 4}}, None),
        ({"train_dataloader": None}, None),
        ({}, None),
    ],
)
def test_whether_a_data_set_is_one_of_pairs(values, paired) -> None:
    wrapped = spec_of(values).wrapped
    training = next((one.settings for one in wrapped if one.role == "train"), None)
    assert is_paired(training, whole="_base_" not in values) is paired
