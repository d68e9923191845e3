"""A loader that hangs is replaced inside the running training, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.training.recovery import accounting
from tests.training.recovery.cases import (
    FIRST,
    LAST,
    MIDDLE,
    WHOLE,
    assert_cured_in_place,
    assert_same_weights,
    hanging,
)
from tests.training.recovery.scene import nested

CASES: dict[str, dict[str, Any]] = {
    "first batch": hanging({"at": FIRST}),
    "fork, persistent": hanging({"at": MIDDLE}),
    "second epoch, not persistent, dropout, deaf to Ctrl-C": hanging(
        {"at": FIRST, "skip": 1, "deaf": True},
        train_dataloader__persistent_workers=False,
        model__dropout=0.2,
    ),
    "spawn": hanging({"at": LAST}, start_method="spawn"),
    "batch sampler and collate of one's own": hanging(
        {"at": MIDDLE},
        train_dataloader__batch_sampler={"type": "SortedBatches", "drop_last": False},
        train_dataloader__collate_fn={"_delete_": True, "type": "lists"},
    ),
    "batches of different length": hanging(
        {"at": LAST}, train_dataloader__batch_size=5, train_dataloader__num_workers=3
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_sample_is_learnt_from_once_and_the_weights_are_those_of_a_quiet_run(
    case, scene, undisturbed
):
    cured = scene(settings=CASES[case])

    assert cured.train() == 0, cured.last_words()
    assert_cured_in_place(cured)
    quiet = undisturbed(settings=CASES[case])
    assert accounting.wrong(cured.consumed, WHOLE, epochs=2) == []
    assert accounting.order(cured.consumed) == accounting.order(quiet.consumed)
    assert_same_weights(cured, quiet)


def test_the_models_own_dice_fall_as_with_workers_that_persist(scene, undisturbed):
    settings = hanging({"at": MIDDLE}, model__dropout=0.2, val_dataloader__num_workers=1)
    settings["val_dataloader"]["persistent_workers"] = True
    cured = scene(settings=settings)

    assert cured.train() == 0, cured.last_words()
    assert_cured_in_place(cured)
    assert_same_weights(cured, undisturbed(settings=settings, workers=True))


def test_pictures_sorted_by_their_form_stay_sorted(scene, undisturbed):
    pytest.importorskip("mmdet")
    settings = hanging(
        {"at": MIDDLE},
        custom_imports={"imports": ["mmdet.datasets.samplers"]},
        train_dataloader__batch_sampler={"type": "mmdet.AspectRatioBatchSampler"},
    )
    cured = scene(settings=settings)

    assert cured.train() == 0, cured.last_words()
    assert_cured_in_place(cured)
    quiet = undisturbed(settings=settings)
    assert accounting.wrong(cured.consumed, WHOLE, epochs=2) == []
    assert accounting.order(cured.consumed) == accounting.order(quiet.consumed)
    assert_same_weights(cured, quiet)


@pytest.mark.parametrize(
    "sampler",
    [
        {"_delete_": True, "type": "InfiniteSampler", "shuffle": True},
        {"_delete_": True, "type": "DefaultSampler", "shuffle": True},
    ],
    ids=lambda sampler: sampler["type"],
)
def test_a_training_that_counts_iterations_goes_on_with_the_same_samples(
    sampler, scene, undisturbed
):
    # The second time that the sample is asked for: in the second pass over the data.
    settings = hanging({"at": MIDDLE, "skip": 1}, train_dataloader__sampler=sampler)
    cured = scene(config="iterations_cfg.py", settings=settings)

    assert cured.train() == 0, cured.last_words()
    assert_cured_in_place(cured)
    quiet = undisturbed(config="iterations_cfg.py", settings=settings)
    assert accounting.passes(cured.consumed, 64) == [WHOLE, WHOLE]
    assert accounting.order(cured.consumed) == accounting.order(quiet.consumed)
    assert_same_weights(cured, quiet)


def test_a_validation_goes_on_in_place(scene, undisturbed):
    settings = nested(
        {
            "val_dataloader.num_workers": 1,
            "val_dataloader.dataset.hangs": [{"at": 3}],
            "val_dataloader.dataset.signs": "{folder}/signs",
        }
    )
    cured = scene(settings=settings)

    assert cured.train() == 0, cured.last_words()
    assert_cured_in_place(cured)
    quiet = undisturbed(settings=settings)
    validated = [line.samples for line in cured.consumed if line.mode == "val"]
    assert validated == [(n,) for n in range(6)] * 2
    assert accounting.wrong(cured.consumed, WHOLE, epochs=2) == []
    assert_same_weights(cured, quiet)
