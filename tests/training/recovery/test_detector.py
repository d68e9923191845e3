"""The cure of a real MMDetection training: the demo of this project, on a small synthetic set."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mmdet")

from dualmacl.synthetic import Recipe, write_dataset

from tests.training.recovery import accounting
from tests.training.recovery.cases import assert_cured_in_place, assert_rescued, assert_same_weights
from tests.training.recovery.scene import TRAININGS, Scene, Undisturbed

# Its trainings are shared: they run once where the tests stay in one process.
pytestmark = pytest.mark.xdist_group("detector")

TIMES = 2
"""How often the configuration repeats each pair in an epoch."""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set of image pairs."""
    root = tmp_path_factory.mktemp("pairs") / "set"
    write_dataset(root, Recipe(pairs=24, test_pairs=4, seed=5))
    return root


@pytest.fixture
def options(pairs: Path) -> Callable[..., dict[str, Any]]:
    """Options of a scene on these pairs, whose samples hang."""
    search = [str(TRAININGS), *filter(None, [os.environ.get("PYTHONPATH")])]

    def make(*hangs: dict[str, Any]) -> dict[str, Any]:
        loader = {"type": "HangingPairLoader", "hangs": list(hangs), "signs": "{folder}/signs"}
        rest = [{"type": "LoadAnnotations", "with_bbox": True}, {"type": "PackPairedInputs"}]
        there = {"data_root": str(pairs)}
        train = {"dataset": {"dataset": {"pipeline": [loader, *rest], **there}}}
        return {
            "config": "pairs_cfg.py",
            "script": None,
            "stall_timeout": 6.0,
            "settings": {"train_dataloader": train, "val_dataloader": {"dataset": there}},
            "environment": {"PYTHONPATH": os.pathsep.join(search)},
        }

    return make


@pytest.fixture
def images(pairs: Path) -> list[str]:
    """The training images' ids."""
    return sorted(path.stem for path in (pairs / "visible" / "train").iterdir())


def test_in_place_the_detector_becomes_what_it_would_have(
    scene: Callable[..., Scene],
    undisturbed: Undisturbed,
    options: Callable[..., dict[str, Any]],
    images: list[str],
):
    given = options({"at": random.Random(3).choice(images), "skip": 1})
    cured = scene(**given)

    assert cured.train() == 0, cured.last_words()
    assert_cured_in_place(cured)
    quiet = undisturbed(**given)
    due = Counter(dict.fromkeys(images, TIMES))
    assert accounting.wrong(cured.consumed, due, epochs=2) == []
    assert accounting.order(cured.consumed) == accounting.order(quiet.consumed)
    assert accounting.farthest_rate(cured.consumed, quiet.consumed) == 0.0
    assert_same_weights(cured, quiet)


def test_by_rescue_and_rerun_it_sees_every_image(
    scene: Callable[..., Scene],
    undisturbed: Undisturbed,
    options: Callable[..., dict[str, Any]],
    images: list[str],
):
    given = options({"at": random.Random(4).choice(images), "where": "any", "times": 2, "skip": 3})
    rescued = scene(**given)

    assert rescued.train() == 0, rescued.last_words()
    assert_rescued(rescued)
    quiet = undisturbed(**given)
    due = Counter(dict.fromkeys(images, TIMES))
    assert accounting.wrong(rescued.consumed, due, epochs=2) == []
    assert accounting.farthest_rate(rescued.consumed, quiet.consumed) < 0.01
