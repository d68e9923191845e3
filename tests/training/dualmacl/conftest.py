"""Shared by the tests of the training plug-in; they need MMDetection."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("mmdet")

import torch
from dualmacl.synthetic import Recipe, write_dataset
from mmengine.registry import init_default_scope

from tests.support.paths import ROOT

CONFIGS = ROOT / "configs"


@pytest.fixture(scope="session", autouse=True)
def _scope():
    """Names in configurations mean MMDetection's; one thread, since the machine is shared."""
    init_default_scope("mmdet")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def configs() -> Path:
    """The folder of the project's configurations."""
    return CONFIGS


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory) -> Path:
    """A small synthetic data set; not to be changed by a test."""
    root = tmp_path_factory.mktemp("synthetic")
    write_dataset(root / "set", Recipe(pairs=24, test_pairs=6, seed=3))
    return root / "set"
