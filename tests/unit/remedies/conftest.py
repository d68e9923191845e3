"""Configurations as the supervisor sees them: plain dictionaries."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from dualwatch.events import Change, Evidence, Finding
from dualwatch.frameworks.base import TrainingSpec
from dualwatch.frameworks.mmengine.config.spec import spec_of
from dualwatch.rules import catalog

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
def spec(sections) -> Callable[..., TrainingSpec]:
    """The same configuration as remedies see it."""
    return lambda **changed: spec_of(sections(**changed))


@pytest.fixture
def after() -> Callable[[tuple[Change, ...]], dict[str, Any]]:
    """Dotted key -> new value of some changes."""
    return lambda changes: {change.key: change.after for change in changes}


@pytest.fixture
def found() -> Callable[..., Finding]:
    """A finding of a code, with words of evidence."""

    def make(code: str, *words: str, confidence: float = 0.9, **given: Any) -> Finding:
        evidence = [Evidence(text=text, source="test") for text in words or ("seen",)]
        return catalog.finding(code, evidence, confidence=confidence, **given)

    return make
