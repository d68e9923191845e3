"""One random draw for the pair: property tests."""

from __future__ import annotations

import cv2
import dualmacl  # noqa: F401
import numpy as np
import pytest
from dualmacl.transforms import (
    LoadImagePair,
    PackPairedInputs,
    PairedRandomCrop,
    PairedRandomFlip,
    PairedResize,
    PairShapeError,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmdet.structures.bbox import HorizontalBoxes

QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def sample(height: int, width: int, boxes: list[tuple[int, int, int, int]], seed: int) -> dict:
    """A pair whose infrared image is a function of its visible one, pixel by pixel."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return {
        "img": image,
        "img_infrared": 255 - image,
        "img_shape": (height, width),
        "gt_bboxes": HorizontalBoxes(np.array(boxes, np.float32).reshape(-1, 4)),
        "gt_bboxes_labels": np.zeros(len(boxes), np.int64),
        "gt_ignore_flags": np.zeros(len(boxes), bool),
    }


@st.composite
def pairs(draw) -> dict:
    height, width = draw(st.integers(16, 60)), draw(st.integers(16, 60))
    boxes = []
    for _ in range(draw(st.integers(1, 4))):
        x1, y1 = draw(st.integers(0, width - 8)), draw(st.integers(0, height - 8))
        boxes.append((x1, y1, draw(st.integers(x1 + 4, width)), draw(st.integers(y1 + 4, height))))
    return sample(height, width, boxes, draw(st.integers(0, 2**16)))


def assert_still_a_pair(results: dict, tolerance: int = 0) -> None:
    visible, infrared = results["img"], results["img_infrared"]
    assert visible.shape == infrared.shape
    assert visible.shape[:2] == results["img_shape"]
    assert np.abs(visible.astype(int) + infrared - 255).max() <= tolerance


@QUICK
@given(
    results=pairs(),
    seed=st.integers(0, 2**16),
    direction=st.sampled_from(["horizontal", "vertical", "diagonal"]),
)
def test_flip_is_drawn_once(results, seed, direction):
    before, boxes = results["img"].copy(), results["gt_bboxes"].tensor.clone()
    height, width = before.shape[:2]
    np.random.seed(seed)
    after = PairedRandomFlip(prob=0.5, direction=direction).transform(results)
    assert_still_a_pair(after)
    flips = {"horizontal": (1,), "vertical": (0,), "diagonal": (0, 1)}[direction]
    expected = np.flip(before, flips) if after["flip"] else before
    np.testing.assert_array_equal(after["img"], expected)
    if after["flip"] and 1 in flips:
        boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    if after["flip"] and 0 in flips:
        boxes[:, [1, 3]] = height - boxes[:, [3, 1]]
    np.testing.assert_allclose(after["gt_bboxes"].tensor, boxes)


def test_flips_happen_and_do_not_happen():
    flips = set()
    for seed in range(20):
        np.random.seed(seed)
        flips.add(PairedRandomFlip(prob=0.5).transform(sample(20, 20, [(1, 1, 9, 9)], 0))["flip"])
    assert flips == {True, False}


@QUICK
@given(results=pairs(), seed=st.integers(0, 2**16), size=st.integers(8, 40))
def test_crop_is_drawn_once(results, seed, size):
    before, boxes = results["img"].copy(), results["gt_bboxes"].tensor.numpy().copy()
    np.random.seed(seed)
    after = PairedRandomCrop(crop_size=(size, size), allow_negative_crop=True).transform(results)
    assert_still_a_pair(after)
    height, width = after["img_shape"]
    # Find the window by its pixels, and check the boxes against it.
    windows = [
        (y, x)
        for y in range(before.shape[0] - height + 1)
        for x in range(before.shape[1] - width + 1)
        if np.array_equal(before[y : y + height, x : x + width], after["img"])
    ]
    assert len(windows) == 1
    y, x = windows[0]
    moved = boxes - np.array([x, y, x, y])
    moved[:, 0::2] = moved[:, 0::2].clip(0, width)
    moved[:, 1::2] = moved[:, 1::2].clip(0, height)
    kept = moved[(moved[:, 2] > moved[:, 0]) & (moved[:, 3] > moved[:, 1])]
    np.testing.assert_allclose(after["gt_bboxes"].tensor.numpy(), kept)


def test_a_crop_without_person_is_no_sample():
    results = sample(40, 40, [(0, 0, 2, 2)], 0)
    np.random.seed(1)
    crop = PairedRandomCrop(crop_size=(4, 4), allow_negative_crop=False)
    assert crop.transform(results) is None


@QUICK
@given(results=pairs(), width=st.integers(8, 90), height=st.integers(8, 90), keep=st.booleans())
def test_resize_is_the_same_for_both(results, width, height, keep):
    shape, boxes = results["img"].shape[:2], results["gt_bboxes"].tensor.numpy().copy()
    after = PairedResize(scale=(width, height), keep_ratio=keep).transform(results)
    # Interpolation rounds each image on its own.
    assert_still_a_pair(after, tolerance=1)
    new_height, new_width = after["img_shape"]
    if not keep:
        assert (new_height, new_width) == (height, width)
    scale = np.tile([new_width / shape[1], new_height / shape[0]], 2)
    expected = boxes * scale
    np.testing.assert_allclose(after["gt_bboxes"].tensor.numpy(), expected, atol=1e-3)


@pytest.mark.parametrize(
    "transform",
    [PairedResize(scale=(9, 9)), PairedRandomFlip(prob=1.0), PairedRandomCrop(crop_size=(9, 9))],
)
def test_without_second_image_there_is_an_error(transform):
    results = sample(20, 20, [(1, 1, 9, 9)], 0)
    del results["img_infrared"]
    with pytest.raises(KeyError, match="LoadImagePair"):
        transform.transform(results)
    with pytest.raises(KeyError, match="LoadImagePair"):
        PackPairedInputs().transform(results)


@pytest.fixture
def files(tmp_path):
    visible, infrared = tmp_path / "v.jpg", tmp_path / "i.jpg"
    image = np.full((24, 32, 3), 40, np.uint8)
    image[:, :, 2] = 200
    cv2.imwrite(str(visible), image)
    cv2.imwrite(str(infrared), np.full((24, 32), 90, np.uint8))
    return {"img_path": str(visible), "infrared_path": str(infrared)}


def test_loading_keeps_the_modalities_apart(files):
    results = LoadImagePair().transform(dict(files))
    assert results["img"].shape == results["img_infrared"].shape == (24, 32, 3)
    assert results["img"][..., 2].mean() == pytest.approx(200, abs=3)
    # Grey: three equal channels.
    assert results["img_infrared"].mean(axis=(0, 1)) == pytest.approx([90, 90, 90], abs=2)


def test_unequal_sizes_are_an_error_that_names_both(files):
    cv2.imwrite(files["infrared_path"], np.zeros((12, 32), np.uint8))
    with pytest.raises(PairShapeError) as caught:
        LoadImagePair().transform(dict(files))
    assert files["img_path"] in str(caught.value)
    assert files["infrared_path"] in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no picture"])
@pytest.mark.parametrize("key", ["img_path", "infrared_path"])
def test_a_broken_file_is_never_half_a_pair(files, key, content):
    with open(files[key], "wb") as stream:
        stream.write(content)
    with pytest.raises(OSError, match="cannot decode"):
        LoadImagePair().transform(dict(files))
    assert LoadImagePair(ignore_empty=True).transform(dict(files)) is None


def test_a_sample_of_one_modality_is_refused(files):
    del files["infrared_path"]
    with pytest.raises(KeyError, match="return_modality_pair=True"):
        LoadImagePair().transform(files)


def test_packed_pair_holds_both_images(files):
    results = LoadImagePair().transform(dict(files, img_id="a"))
    packed = PackPairedInputs().transform(results)
    assert {k: tuple(v.shape) for k, v in packed["inputs"].items()} == {
        "visible": (3, 24, 32),
        "infrared": (3, 24, 32),
    }
    assert packed["inputs"]["infrared"].float().mean() == pytest.approx(90, abs=2)
    assert packed["data_samples"].metainfo["infrared_path"] == files["infrared_path"]
