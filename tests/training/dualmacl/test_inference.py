"""Inference on two image files."""

from __future__ import annotations

import pytest
from dualmacl.inference import PairDetector


@pytest.fixture(scope="module")
def detector(configs):
    return PairDetector(configs / "demo" / "dualmacl_tiny_synthetic_2e.py")


def test_a_pair_of_files_gives_boxes(detector, synthetic):
    name = "190001.jpg"
    sample = detector(synthetic / "visible/test" / name, synthetic / "infrared/test" / name)
    boxes = sample.pred_instances.bboxes
    assert boxes.shape == (len(sample.pred_instances.scores), 4)
    assert len(boxes) > 0
    assert bool(((boxes >= 0) & (boxes <= 160)).all())


def test_one_image_is_not_enough(detector, synthetic):
    visible = synthetic / "visible/test/190001.jpg"
    with pytest.raises(OSError, match="absent"):
        detector(visible, synthetic / "infrared/test/absent.jpg")
