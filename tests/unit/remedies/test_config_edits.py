"""Edits of a configuration: consistent sets that keep the meaning of the training."""

from __future__ import annotations

import pytest
from dualwatch.frameworks.mmengine.config import edits
from dualwatch.remedies import table

INF = 10**9


# --- without workers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loader", "expected"),
    [
        ({"num_workers": 0}, {}),
        ({"num_workers": 0, "persistent_workers": False, "timeout": 0}, {}),
        ({}, {}),
        ({"num_workers": 2}, {"num_workers": 0}),
        ({"num_workers": 2, "persistent_workers": False}, {"num_workers": 0}),
        (
            {"num_workers": 2, "persistent_workers": True},
            {"num_workers": 0, "persistent_workers": False},
        ),
        (
            {"num_workers": 8, "prefetch_factor": 4, "timeout": 30},
            {"num_workers": 0, "prefetch_factor": None, "timeout": 0},
        ),
        ({"num_workers": 1, "prefetch_factor": None, "timeout": 0}, {"num_workers": 0}),
        (
            {"num_workers": 1, "multiprocessing_context": "spawn", "pin_memory": True},
            {"num_workers": 0, "multiprocessing_context": None},
        ),
        ({"num_workers": 1, "in_order": True}, {"num_workers": 0}),
        ({"num_workers": 1, "in_order": False}, {"num_workers": 0, "in_order": True}),
    ],
    ids=str,
)
def test_what_hangs_together_with_workers_goes_where_it_is_set(loader, expected, after) -> None:
    changes = edits.without_workers({"train_dataloader": loader})
    assert after(changes) == {f"train_dataloader.{key}": v for key, v in expected.items()}
    assert {c.key.split(".")[-1]: c.before for c in changes} == {k: loader[k] for k in expected}
    assert all(change.why for change in changes)


def test_every_loader_loses_its_workers(sections, after) -> None:
    config = sections(
        val_dataloader={"num_workers": 4, "persistent_workers": True},
        test_dataloader=[{"num_workers": 0}, {"num_workers": 3}, None],
    )
    assert after(edits.without_workers(config)) == {
        "train_dataloader.num_workers": 0,
        "val_dataloader.num_workers": 0,
        "val_dataloader.persistent_workers": False,
        "test_dataloader.1.num_workers": 0,
    }


def test_a_loader_inside_a_dataset_is_data(sections) -> None:
    inner = {"type": "Wrapper", "train_dataloader": {"num_workers": 4, "batch_size": 4}}
    config = sections(train_dataloader={"num_workers": 0, "dataset": inner})
    assert edits.without_workers(config) == []
    assert edits.batch_size(config) is None


def test_fewer_workers_keep_what_hangs_together_with_workers(sections, after) -> None:
    kept = {"persistent_workers": True, "prefetch_factor": 4, "timeout": 9, "pin_memory": True}
    config = sections(
        train_dataloader={"num_workers": 8, **kept},
        val_dataloader=[{"num_workers": 4, **kept}, {"num_workers": 3}, {"num_workers": 0}, {}],
    )
    assert edits.workers(config) == 8
    assert edits.workers(config, edits.VALIDATION) == 4
    assert after(edits.at_most_workers(config, 3)) == {
        "train_dataloader.num_workers": 3,
        "val_dataloader.0.num_workers": 3,
    }
    assert edits.at_most_workers(config, 0) == edits.without_workers(config)


# --- batch sizes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "half"), [(2, 1), (3, 1), (4, 2), (5, 1), (6, 3), (7, 1), (9, 3), (15, 5), (64, 32)]
)
def test_half_a_batch_divides_it(size, half) -> None:
    assert table.half(size) == half


@pytest.mark.parametrize(
    ("value", "expected"), [(4, 4), (1, 1), (0, None), (-1, None), (True, None), ("4", None)]
)
def test_the_batch_size_is_a_number_or_unknown(value, expected) -> None:
    assert edits.batch_size({"train_dataloader": {"batch_size": value}}) == expected


@pytest.mark.parametrize("loader", [None, [], {}, {"batch_sampler": {"type": "B"}}], ids=str)
def test_a_loader_that_does_not_say_its_batch(loader) -> None:
    assert edits.batch_size({"train_dataloader": loader}) is None
    assert edits.smaller_batch({"train_dataloader": loader}, 1, keep_effective=True) == []


@pytest.mark.parametrize("size", [4, 8])
def test_no_batch_that_is_not_smaller(sections, size) -> None:
    assert edits.smaller_batch(sections(), size, keep_effective=True) == []


@pytest.mark.parametrize(
    ("size", "floor", "least"), [(4, 1, 1), (4, 2, 2), (6, 4, 6), (9, 2, 3), (5, 2, 5), (2, 8, 2)]
)
def test_the_least_batch_divides_it_and_is_not_below_the_floor(size, floor, least) -> None:
    assert table.least(size, floor) == least


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, 1),
        ({"model_words": ["type", "BatchNorm2d", "MACLHead", "LayerNorm"]}, 1),
        ({"model_words": ["type", "BN1d"]}, 2),
        ({"model_words": ["type", "torch.nn.modules.batchnorm.BatchNorm1d"]}, 2),
        ({"min_batch": 8, "model_words": ["BN1d"]}, 8),
        ({"min_batch": 0}, 1),
        ({"train_dataloader": {"batch_size": 5, "sampler": {"source_ratio": [1, 4]}}}, 5),
        ({"train_dataloader": None}, 1),
    ],
    ids=str,
)
def test_the_floor_of_a_batch_is_told_by_the_model(sections, changed, expected) -> None:
    assert edits.floor(sections(**changed)) == expected


def test_a_sampler_with_a_batch_size_of_its_own_follows(sections, after) -> None:
    loader = {
        "batch_size": 4,
        "batch_sampler": {"type": "B", "batch_size": 4},
        "sampler": {"type": "S", "batch_size": 4},
    }
    config = sections(train_dataloader=loader, val_dataloader=loader)
    assert after(edits.smaller_batch(config, 2, keep_effective=False)) == {
        "train_dataloader.batch_size": 2,
        "train_dataloader.batch_sampler.batch_size": 2,
        "train_dataloader.sampler.batch_size": 2,
    }
    assert after(edits.smaller_validation_batch(config, 3)) == {
        "val_dataloader.batch_size": 3,
        "val_dataloader.batch_sampler.batch_size": 3,
    }


def test_a_batch_sampler_without_a_size_takes_the_loaders(sections, after) -> None:
    loader = {"batch_size": 4, "batch_sampler": {"type": "AspectRatioBatchSampler"}}
    changed = after(edits.smaller_batch(sections(train_dataloader=loader), 2, keep_effective=False))
    assert changed == {"train_dataloader.batch_size": 2}


def test_a_batch_samplers_own_size_is_the_size(sections) -> None:
    loader = {"batch_size": 1, "batch_sampler": {"type": "B", "batch_size": 6}}
    assert edits.batch_size(sections(train_dataloader=loader)) == 6


def test_only_validation_batches_above_the_cap_become_smaller(sections, after) -> None:
    config = sections(
        val_dataloader=[{"batch_size": 8}, {"batch_size": 2}, {}],
        test_dataloader={"batch_size": 8},
    )
    assert edits.validation_batch(config) == 8
    changed = after(edits.smaller_validation_batch(config, 4))
    assert changed == {"val_dataloader.0.batch_size": 4}


# --- accumulation ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "size", "expected"), [(None, 2, 2), (1, 1, 4), (2, 2, 4), (3, 1, 12)]
)
def test_accumulation_is_multiplied(sections, after, counts, size, expected) -> None:
    wrapper = {"type": "AmpOptimWrapper", "optimizer": {"type": "SGD"}}
    if counts is not None:
        wrapper["accumulative_counts"] = counts
    changes = edits.smaller_batch(sections(optim_wrapper=wrapper), size, keep_effective=True)
    assert after(changes)["optim_wrapper.accumulative_counts"] == expected


def test_each_of_several_optimizers_is_accumulated(sections, after) -> None:
    two = {"generator": {"optimizer": {}, "accumulative_counts": 3}, "critic": {"optimizer": {}}}
    config = sections(optim_wrapper={"constructor": "Two", **two})
    changed = after(edits.smaller_batch(config, 2, keep_effective=True))
    assert changed == {
        "train_dataloader.batch_size": 2,
        "optim_wrapper.generator.accumulative_counts": 6,
        "optim_wrapper.critic.accumulative_counts": 2,
    }


@pytest.mark.parametrize(
    "wrapper",
    [
        {"constructor": "Two", "generator": {"optimizer": {}}, "lr_mult": 2},
        {"generator": {"optimizer": {}}, "discriminator": {"lr": 1}},
        {"constructor": "Two"},
        None,
    ],
    ids=["more of its own", "one without", "nothing", "none"],
)
def test_optimizers_that_are_not_all_known_are_not_accumulated(sections, after, wrapper) -> None:
    config = sections(optim_wrapper=wrapper)
    assert not edits.can_accumulate(config)
    assert after(edits.smaller_batch(config, 2, keep_effective=True)) == {
        "train_dataloader.batch_size": 2
    }


def test_accumulation_can_be_declined(sections, after) -> None:
    config = sections(auto_scale_lr={"enable": True, "base_batch_size": 16})
    assert after(edits.smaller_batch(config, 2, keep_effective=False)) == {
        "train_dataloader.batch_size": 2
    }


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ({"enable": True, "base_batch_size": 16}, 4),
        ({"enable": True, "base_batch_size": 2}, 0.5),
        ({"enable": False, "base_batch_size": 16}, None),
        ({"base_batch_size": 16}, None),
        ({"enable": True}, None),
        (None, None),
    ],
    ids=str,
)
def test_the_base_of_a_scaled_learning_rate_follows(sections, after, scaling, expected) -> None:
    config = sections(auto_scale_lr=scaling)
    changed = after(edits.smaller_batch(config, 1, keep_effective=True))
    assert changed.get("auto_scale_lr.base_batch_size") == expected


# --- loops -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        ({"max_epochs": 12, "val_interval": 2}, {}),
        ({"by_epoch": True, "max_epochs": 12, "val_begin": 3}, {}),
        (
            {"max_iters": 1000, "val_interval": 100, "val_begin": 500},
            {"max_iters": 2000, "val_interval": 200, "val_begin": 1000},
        ),
        ({"by_epoch": False, "max_iters": 1000, "val_begin": 1}, {"max_iters": 2000}),
        ({"max_iters": 1000, "val_interval": INF}, {"max_iters": 2000}),
        ({"max_iters": 9, "val_interval": 1}, {"max_iters": 18, "val_interval": 2}),
    ],
    ids=["epochs", "epochs, old", "iterations", "from the first", "never", "each"],
)
def test_a_loop_that_counts_iterations_is_stretched(sections, after, loop, expected) -> None:
    config = sections(train_cfg=loop)
    changed = after(edits.smaller_batch(config, 2, keep_effective=True))
    assert {k: v for k, v in changed.items() if k.startswith("train_cfg")} == {
        f"train_cfg.{key}": value for key, value in expected.items()
    }


def test_the_interval_of_validation_that_is_not_told_is_mmengines(sections, after) -> None:
    config = sections(train_cfg={"max_iters": 9000}, val_dataloader={"batch_size": 1})
    changed = after(edits.smaller_batch(config, 2, keep_effective=True))
    assert changed["train_cfg.val_interval"] == 2000


def test_dynamic_intervals_of_validation_are_stretched(sections, after) -> None:
    loop = {"max_iters": 1000, "val_interval": 100, "dynamic_intervals": [[901, 1000]]}
    changed = after(edits.smaller_batch(sections(train_cfg=loop), 2, keep_effective=True))
    ((milestone, interval),) = changed["train_cfg.dynamic_intervals"]
    # No validation may come earlier than before, and the last one at the end.
    assert milestone in (1801, 1802)
    assert interval == 2000


@pytest.mark.parametrize(
    ("hooks", "expected"),
    [
        ({"checkpoint": {"interval": 1}}, None),
        ({"checkpoint": {"interval": 1, "by_epoch": True}}, None),
        ({"checkpoint": {"interval": 500, "by_epoch": False}}, 2000),
        ({"checkpoint": {"interval": -1, "by_epoch": False}}, None),
        ({"checkpoint": None}, None),
        (None, None),
    ],
    ids=str,
)
def test_checkpoints_are_saved_after_as_many_samples(sections, after, hooks, expected) -> None:
    changed = after(edits.smaller_batch(sections(default_hooks=hooks), 1, keep_effective=True))
    assert changed.get("default_hooks.checkpoint.interval") == expected


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        ({"type": "MyHook", "interval": 5}, {}),
        ({"type": "MyHook", "interval": 5, "by_epoch": True}, {}),
        ({"type": "MyHook", "interval": 5, "by_epoch": False}, {"interval": 20}),
        (
            {"type": "CheckpointHook", "by_epoch": False, "interval": 5, "save_begin": 10},
            {"interval": 20, "save_begin": 40},
        ),
        ({"type": "LoggerHook", "interval": 50}, {}),
        ({"type": "EMAHook"}, {"interval": 4}),
        ({"type": "mmengine.hooks.EMAHook", "begin_iter": 10}, {"begin_iter": 40, "interval": 4}),
        ({"type": "EMAHook", "begin_epoch": 3, "momentum": 0.1}, {"interval": 4}),
        (
            {"type": "EMAHook", "ema_type": "ExpMomentumEMA", "interval": 2},
            {"interval": 8, "gamma": 8000},
        ),
        (
            {"type": "EMAHook", "ema_type": "MomentumAnnealingEMA", "gamma": 10},
            {"interval": 4, "gamma": 40},
        ),
        ({"type": "MeanTeacherHook", "momentum": 0.01}, {"interval": 4}),
        ({"type": "EarlyStoppingHook", "patience": 5}, {}),
        (None, {}),
    ],
    ids=str,
)
def test_hooks_that_count_iterations_are_stretched(sections, after, hook, expected) -> None:
    config = sections(custom_hooks=[{"type": "First"}, hook])
    changed = after(edits.smaller_batch(config, 1, keep_effective=False))
    del changed["train_dataloader.batch_size"]
    assert changed == {f"custom_hooks.1.{key}": value for key, value in expected.items()}


# --- schedules -------------------------------------------------------------------------------

LINEAR = {"type": "LinearLR", "start_factor": 0.001, "by_epoch": False, "begin": 0, "end": 500}


@pytest.mark.parametrize(
    ("schedules", "expected"),
    [
        ([{"type": "MultiStepLR", "milestones": [8, 11], "begin": 0, "end": 12}], {}),
        ([{"type": "CosineAnnealingLR", "by_epoch": True, "T_max": 12}], {}),
        ([LINEAR], {"param_scheduler.0.end": 999}),
        (LINEAR, {"param_scheduler.end": 999}),
        (
            {"generator": [LINEAR], "discriminator": [{"type": "StepLR", "step_size": 3}]},
            {"param_scheduler.generator.0.end": 999},
        ),
        (
            [LINEAR, {"type": "StepLR", "by_epoch": False, "step_size": 30, "begin": 500}],
            {
                "param_scheduler.0.end": 999,
                "param_scheduler.1.begin": 1000,
                "param_scheduler.1.step_size": 60,
            },
        ),
        ([{"type": "ConstantLR", "by_epoch": False, "factor": 0.3, "end": INF}], {}),
        (None, {}),
        ([None], {}),
    ],
    ids=["by epoch", "by epoch, said", "one", "alone", "groups", "two", "for ever", "none", "hole"],
)
def test_only_schedules_that_count_iterations_change(sections, after, schedules, expected) -> None:
    config = sections(param_scheduler=schedules)
    changed = after(edits.smaller_batch(config, 2, keep_effective=True))
    assert {k: v for k, v in changed.items() if k.startswith("param_scheduler")} == expected


def test_the_configuration_itself_is_left_alone(sections) -> None:
    config = sections(param_scheduler=[{**LINEAR, "milestones": [1, 2]}])
    before = repr(config)
    edits.without_workers(config)
    edits.smaller_batch(config, 1, keep_effective=True)
    assert repr(config) == before
