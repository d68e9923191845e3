"""Configurations as the supervisor sees them: plain dictionaries."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from dualwatch.facts import Change, Rung
from dualwatch.treat.ladder import ladder

LOADER = {"batch_size": 4, "num_workers": 2, "dataset": {"type": "D"}}
EPOCHS = {"type": "EpochBasedTrainLoop", "max_epochs": 12, "val_interval": 1}


@pytest.fixture
def sections() -> Callable[..., dict[str, Any]]:
    """The sections of a small MMDetection configuration; keywords replace or remove (None)."""

    def make(**changed: Any) -> dict[str, Any]:
        base = {
            "train_dataloader": copy.deepcopy(LOADER),
            "train_cfg": dict(EPOCHS),
            "optim_wrapper": {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.02}},
            "param_scheduler": [],
            "default_hooks": {"checkpoint": {"type": "CheckpointHook", "interval": 1}},
        }
        merged = {**base, **copy.deepcopy(changed)}
        return {key: value for key, value in merged.items() if value is not None}

    return make


@pytest.fixture
def climb() -> Callable[..., tuple[Rung, ...]]:
    """The ladder of a configuration."""

    def make(sections: dict[str, Any], *, keep_effective_batch: bool = True) -> tuple[Rung, ...]:
        return ladder(sections, keep_effective_batch=keep_effective_batch)

    return make


@pytest.fixture
def after() -> Callable[[tuple[Change, ...]], dict[str, Any]]:
    """Dotted key -> new value of some changes."""
    return lambda changes: {change.key: change.after for change in changes}
