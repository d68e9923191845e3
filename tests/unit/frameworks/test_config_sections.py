"""The form of sections, and settings of loaders that exclude each other."""

from __future__ import annotations

from typing import Any

import pytest
from dualwatch.core.unread import mark
from dualwatch.frameworks.mmengine.config import sections

SAMPLER = {"type": "DefaultSampler"}
BATCHES = {"type": "AspectRatioBatchSampler"}


def keys(values: dict[str, Any]) -> list[str]:
    return [one.key for one in sections.defects(values)]


def loader(**settings: Any) -> dict[str, Any]:
    given = {"batch_size": 2, "num_workers": 2, "dataset": {}, "sampler": SAMPLER, **settings}
    return {"train_cfg": {"by_epoch": True}, "train_dataloader": given}


@pytest.mark.parametrize(
    "values",
    [
        loader(persistent_workers=True, batch_sampler=BATCHES, pin_memory=True),
        loader(num_workers=0, persistent_workers=False),
        loader(num_workers=0, prefetch_factor=None),
        loader(batch_sampler=BATCHES, drop_last=False),
        loader(drop_last=True, batch_sampler=None),
        loader(batch_size=mark("len(x)"), num_workers=mark("cpus()")),
        {"train_cfg": {"type": "MyLoop"}, "train_dataloader": {"first": {}, "second": {}}},
        {"custom_hooks": [], "default_hooks": {}, "val_dataloader": None},
        {"custom_hooks": mark("hooks()"), "train_dataloader": mark("loader()")},
    ],
)
def test_what_a_runner_takes(values: dict[str, Any]) -> None:
    assert keys(values) == []


@pytest.mark.parametrize(
    ("values", "key"),
    [
        (loader(num_workers=0, persistent_workers=True), "persistent_workers"),
        (loader(num_workers=0, prefetch_factor=2), "prefetch_factor"),
        (loader(batch_size="8"), "batch_size"),
        (loader(batch_size=0), "batch_size"),
        (loader(num_workers=2.0), "num_workers"),
        (loader(samples_per_gpu=2), "samples_per_gpu"),
        (loader(batch_sampler=BATCHES, drop_last=True), "drop_last"),
        (loader(shuffle=True), "shuffle"),
    ],
)
def test_what_a_loader_refuses(values: dict[str, Any], key: str) -> None:
    assert keys(values) == [f"train_dataloader.{key}"]


def test_a_loader_without_a_sampler() -> None:
    values = loader()
    del values["train_dataloader"]["sampler"]
    assert keys(values) == ["train_dataloader.sampler"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("custom_hooks", {"type": "EMAHook"}), ("optim_wrapper", ({"type": "A"},)), ("model", [])],
)
def test_sections_of_another_form(name: str, value: Any) -> None:
    assert keys({name: value}) == [name]
