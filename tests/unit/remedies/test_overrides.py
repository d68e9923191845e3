"""What is in force, as a consistent set of changes of the user's configuration, and back again."""

from __future__ import annotations

from typing import Any

import pytest
from dualwatch.frameworks.mmengine.config.spec import spec_of
from dualwatch.remedies.overrides import Overrides, overrides_of, step_of
from hypothesis import given
from hypothesis import strategies as st


def loader(batch: int | None, workers: int) -> dict[str, Any]:
    known = {"num_workers": workers, "dataset": {}}
    return {**known, "batch_size": batch} if batch is not None else known


@pytest.mark.parametrize(
    ("overrides", "name", "stretch"),
    [
        (Overrides(), "", 1),
        (Overrides(workers=0), "no workers", 1),
        (Overrides(workers=2), "", 1),
        (Overrides(workers=1), "workers 2 -> 1", 1),
        (Overrides(batch=2), "batch 4 -> 2", 2),
        (Overrides(batch=4), "", 1),
        (Overrides(workers=0, batch=1), "no workers and batch 4 -> 1", 4),
        (Overrides(validation_batch=1, utf8=True), "validation batch 2 -> 1 and UTF-8 output", 1),
        (Overrides(older_checkpoint=True), "the checkpoint before", 1),
    ],
    ids=str,
)
def test_a_step_is_named_by_what_it_changes(spec, overrides, name, stretch) -> None:
    config = spec(val_dataloader={"batch_size": 2, "num_workers": 1})
    step = step_of(config, overrides, True)
    assert (step.name, step.stretch) == (name, stretch)
    assert bool(step.changes) == (name not in ("", "the checkpoint before"))


def test_each_step_is_a_whole_set_of_changes_of_the_users_configuration(spec) -> None:
    step = step_of(spec(), Overrides(workers=0, batch=1), True)
    assert step.overrides == {
        "train_dataloader.num_workers": 0,
        "train_dataloader.batch_size": 1,
        "optim_wrapper.accumulative_counts": 4,
    }


def test_batch_times_accumulation_stays(spec) -> None:
    wrapper = {"type": "OptimWrapper", "optimizer": {}, "accumulative_counts": 3}
    for size in range(2, 33):
        for batch in [d for d in range(1, size) if size % d == 0]:
            config = spec(train_dataloader=loader(size, 2), optim_wrapper=wrapper)
            step = step_of(config, Overrides(batch=batch), True)
            counts = step.overrides["optim_wrapper.accumulative_counts"]
            assert step.overrides["train_dataloader.batch_size"] * counts == size * 3
            assert batch * step.stretch == size


def test_without_accumulation_nothing_is_accumulated(spec) -> None:
    step = step_of(spec(), Overrides(workers=0, batch=2), False)
    assert step.overrides == {"train_dataloader.num_workers": 0, "train_dataloader.batch_size": 2}


@given(
    overrides=st.builds(
        Overrides,
        workers=st.none() | st.integers(0, 9),
        batch=st.none() | st.sampled_from([1, 2, 3, 4, 6, 12]),
        validation_batch=st.none() | st.integers(1, 9),
        utf8=st.booleans(),
    ),
    trains=st.integers(0, 8),
    validates=st.integers(0, 8),
)
def test_what_the_journal_tells_gives_the_same_step_again(overrides, trains, validates) -> None:
    sections = {
        "train_dataloader": loader(12, trains),
        "val_dataloader": [loader(8, validates), loader(None, 1)],
        "optim_wrapper": {"optimizer": {}},
    }
    config = spec_of(sections)
    step = step_of(config, overrides, True)
    told = {**step.overrides, "resume": True, "load_from": "epoch_1.pth"}
    assert step_of(config, overrides_of(told, config, step.environment), True) == step
