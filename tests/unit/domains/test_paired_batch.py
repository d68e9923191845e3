"""Does a batch hold two modalities? Outlines as the agent writes them."""

from __future__ import annotations

import pytest
from dualwatch.domains.paired.batch import modalities
from hypothesis import given
from hypothesis import strategies as st

SAMPLE = (
    "data_samples: list of 4",
    "data_samples[0]: DetDataSample",
    "data_samples[0].flip: bool",
    "data_samples[0].img_id: int",
    "data_samples[0].ori_shape: tuple of 2",
    "data_samples[0].scale_factor: NoneType",
    "data_samples[0].gt_instances: InstanceData",
    "data_samples[0].gt_instances.bboxes: HorizontalBoxes 3x4",
    "data_samples[0].gt_instances.masks: BitmapMasks",
    "data_samples[0].gt_instances.keypoints_visible: Tensor 3x17",
)
PATH = "data_samples[0].img_path: str .../LLVIP/visible/train/010001.jpg"
OTHER_PATH = "data_samples[0].infrared_path: str .../LLVIP/infrared/train/010001.jpg"
ONE = ("inputs: list of 4", "inputs[0]: Tensor 3x512x640")

PAIRED = {
    "dualmacl": (
        "inputs.visible: list of 4",
        "inputs.visible[0]: Tensor 3x512x640",
        "inputs.infrared: list of 4",
        "inputs.infrared[0]: Tensor 3x512x640",
        *SAMPLE,
        PATH,
        OTHER_PATH,
    ),
    "cut off in the third sample": (
        "inputs.visible: list of 4",
        "inputs.visible[0]: Tensor 3x512x640",
        "inputs.infrared: list of 4",
        "inputs.infrared[0]: Tensor 3x512x640",
        *SAMPLE,
        PATH,
        OTHER_PATH,
        PATH.replace("[0]", "[2]"),
        "...",
    ),
    "stacked": ("inputs.rgb: Tensor 4x3x512x640", "inputs.thermal: Tensor 4x1x512x640"),
    "camel case": ("imgVis: Tensor 4x3x64x64", "imgLWIR: Tensor 4x3x64x64"),
    "suffix": ("inputs: Tensor 4x3x512x640", "inputs_ir: Tensor 4x3x512x640"),
    "a dict a sample": (
        "inputs: list of 4",
        "inputs[0].vis: Tensor 3x64x64",
        "inputs[0].tir: Tensor 3x64x64",
    ),
    "in the sample": (*ONE, *SAMPLE, "data_samples[0].img_ir: Tensor 3x512x640"),
    "toy": ("visible: Tensor 4x1", "infrared: Tensor 4x1", "y: Tensor 4"),
    "two keys": ("inputs.0: Tensor 4x3x64x64", "inputs.1: Tensor 4x3x64x64"),
    "two unnamed images": ("inputs.a: Tensor 4x3x64x64", "inputs.b: Tensor 4x3x64x64"),
    "two tensors a sample": (
        "inputs: list of 4",
        "inputs[0]: list of 2",
        "inputs[0][0]: Tensor 3x512x640",
        *SAMPLE,
    ),
    "two stacks": ("inputs: tuple of 2", "inputs[0]: Tensor 4x3x512x640", *SAMPLE),
    "six channels": ("inputs: Tensor 4x6x512x640",),
    "four channels": ("inputs: list of 4", "inputs[0]: Tensor 4x512x640", *SAMPLE),
    "channels last": ("inputs: ndarray 4x512x640x6",),
    "one after the other": ("inputs: Tensor 8x3x512x640", *SAMPLE),
    "pairs stacked": ("inputs: list of 4", "inputs[0]: Tensor 2x3x512x640", *SAMPLE),
    "paths alone": (*SAMPLE, PATH, OTHER_PATH),
    "img_path_ir": (
        "data_samples[0].img_path: str .../a/1.jpg",
        "data_samples[0].img_path_ir: str .../b/1.jpg",
    ),
}

SINGLE = {
    "dualmacl without pairs": (*ONE, *SAMPLE, PATH),
    "infrared only": (*ONE, *SAMPLE, PATH.replace("visible", "infrared")),
    "mmdet": (*ONE, *SAMPLE, "data_samples[0].img_path: str .../coco/train2017/1.jpg"),
    "a folder named for both": (
        *ONE,
        "data_samples[0].img_path: str .../rgb_thermal/visible/1.jpg",
        "data_samples[0].xml_path: str .../LLVIP/Annotations/1.xml",
    ),
    "its own name twice": (
        *ONE,
        "img_metas[0].filename: str .../visible/1.jpg",
        "img_metas[0].ori_filename: str 1.jpg",
    ),
    "a named one": ("inputs.visible: Tensor 4x3x64x64", "targets.mask: Tensor 4x1x64x64"),
    "two samples": ("inputs: list of 2", "inputs[0]: Tensor 3x64x64", "data_samples: list of 2"),
    "one sample": ("inputs: list of 1", "inputs[0]: Tensor 3x64x64", "data_samples: list of 1"),
    "image and label": ("batch: list of 2", "[0]: Tensor 8x1x28x28", "[1]: Tensor 8"),
    "toy": ("visible: Tensor 4x1", "y: Tensor 4"),
}

UNKNOWN = {
    "nothing": (),
    "toy": ("x: Tensor 4x1", "y: Tensor 4x1"),
    "toy with one name": ("visible: Tensor 4x1", "y: Tensor 4x1"),
    "flags": ("gt_visible: Tensor 4x17",),
    "closed": ("img: DataContainer", "gt_bboxes: DataContainer"),
    "closed beside an image": ("inputs: Tensor 4x3x64x64", "extra: PairedBatch"),
    "cut": ("inputs: Tensor 4x3x64x64", "..."),
    "views": (
        "inputs.weak: Tensor 4x3x64x64",
        "inputs.strong: Tensor 4x3x64x64",
    ),
    "two files, one image": (*ONE, *SAMPLE, PATH, OTHER_PATH),
    "two unnamed files": (
        *ONE,
        "data_samples[0].img_path: str .../a/1.jpg",
        "data_samples[0].img_path2: str .../b/1.jpg",
    ),
    "one sample without its partner": (
        "inputs: list of 4",
        "inputs[0].visible: Tensor 3x64x64",
        "inputs[0].infrared: Tensor 3x64x64",
        "inputs[1].visible: Tensor 3x64x64",
    ),
    "a file without its partner": (
        *PAIRED["dualmacl"],
        PATH.replace("[0]", "[2]"),
    ),
    "clips": ("inputs: Tensor 4x2x3x64x64",),
}

CASES = [
    pytest.param(lines, paired, id=f"{paired}-{name}")
    for paired, cases in ((True, PAIRED), (False, SINGLE), (None, UNKNOWN))
    for name, lines in cases.items()
]


@pytest.mark.parametrize(("lines", "paired"), CASES)
def test_outlines(lines, paired) -> None:
    found = modalities(lines)
    assert found.paired is paired, found.why
    assert found.why


def test_it_is_said_what_shows_it() -> None:
    assert modalities(PAIRED["dualmacl"]).why == (
        "it holds inputs.visible[0] and inputs.infrared[0]"
    )
    assert "inputs[0] of 3x512x640" in modalities(SINGLE["mmdet"]).why
    assert "inputs[1] is visible only" in modalities(UNKNOWN["one sample without its partner"]).why


@pytest.mark.parametrize("name", [name for name in PAIRED if "cut" not in name])
def test_the_order_of_the_parts_does_not_matter(name) -> None:
    assert modalities(PAIRED[name][::-1]).paired is True


NAMES = st.sampled_from(
    ["inputs", "inputs[0]", "inputs[1]", "visible", "data_samples[0].img_path", "a.0", "", "batch"]
)
WHATS = st.sampled_from(
    ["Tensor 3x64x64", "list of 2", "str a/ir/1.jpg", "Tensor scalar", "X (cannot be looked at)"]
)
LINES = st.builds("{}: {}".format, NAMES | st.text(max_size=9), WHATS | st.text(max_size=20))


@given(st.lists(LINES | st.text(max_size=30), max_size=12))
def test_any_outline_has_an_answer(lines) -> None:
    found = modalities(lines)
    assert found.paired in (True, False, None)
    assert found.why


@given(st.lists(LINES, max_size=8))
def test_one_modality_is_claimed_of_a_batch_with_an_image_or_a_name_only(lines) -> None:
    if modalities(lines).paired is False:
        assert any("Tensor " in line or "visible" in line for line in lines)
