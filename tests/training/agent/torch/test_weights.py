"""How the weights of a checkpoint fit a model, by module."""

from __future__ import annotations

from pathlib import Path

import pytest
from dualwatch import protocol
from dualwatch.agent.torch import weights
from dualwatch.collectors.agent_files.weights import WeightsFiles
from dualwatch.events import WeightsPart

torch = pytest.importorskip("torch")
nn = torch.nn


def model(classes: int = 2):
    parts = {"neck": nn.Linear(2, 2), "norm": nn.BatchNorm1d(2), "head": nn.Linear(2, classes)}
    return nn.ModuleDict(parts)


def counts(fit):
    return fit["keys"], fit["missing"], fit["reshaped"], fit["unexpected"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda held: held, (8, 0, 0, 0)),
        (lambda held: {f"module.{key}": value for key, value in held.items()}, (8, 0, 0, 0)),
        (lambda held: {f"model.{key}": value for key, value in held.items()}, (8, 8, 0, 8)),
        (lambda held: {k: v for k, v in held.items() if "neck" not in k}, (8, 2, 0, 0)),
        (lambda held: {k: v for k, v in held.items() if "num_batches" not in k}, (8, 0, 0, 0)),
        (lambda held: model(classes=6).state_dict(), (8, 0, 2, 0)),
    ],
)
def test_keys_are_compared(change, expected):
    own = model().state_dict()

    assert counts(weights.compared(own, change(dict(own)))) == expected


def test_the_record_names_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(protocol.ENV_ATTEMPT_DIR, str(tmp_path))
    held = {"state_dict": model(classes=6).state_dict(), "meta": {}}

    weights.write(model(), held, str(tmp_path), 0)

    (seen,) = WeightsFiles(tmp_path).poll(1.0, 2.0)
    assert WeightsPart(path="head", keys=2, missing=0, reshaped=2, unexpected=0) in seen.parts
    assert (seen.keys, seen.reshaped) == (8, 2)


@pytest.mark.parametrize("held", [None, 3, {"state_dict": [1]}])
def test_what_is_no_checkpoint_is_passed_over(tmp_path, monkeypatch, held):
    monkeypatch.setenv(protocol.ENV_ATTEMPT_DIR, str(tmp_path))

    weights.write(model(), held, str(tmp_path), 0)

    assert list(tmp_path.iterdir()) == []
