"""What the agent records of the model: upper parts, parts by name, which are optimised."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dualwatch import protocol
from dualwatch.agent.mmengine.phases import optimizers_of
from dualwatch.agent.torch import model_outline
from dualwatch.collectors.agent_files.models import ModelFiles
from dualwatch.domains.paired.domain import PairedImages
from dualwatch.events import ModelPart

torch = pytest.importorskip("torch")
optim = pytest.importorskip("mmengine.optim")
nn = torch.nn

WORDS = PairedImages.parts


class MACLHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 2)


class InfoNCELoss(nn.Module):
    """Learns nothing."""


class RoIHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bbox_head = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        self.macl_head = MACLHead()


class Detector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(4, 4, bias=False)
        self.roi_head = RoIHead()
        self.neck = nn.Sequential(nn.Sequential(InfoNCELoss(), nn.InstanceNorm2d(2)))


def parts_of(model: Any, optimizer: Any, words: str = WORDS) -> list[dict[str, Any]]:
    return model_outline.model_parts(model, optimizers_of(optimizer), words)


def numbers(model: Any, optimizer: Any) -> dict[str, tuple[int, int, int | None]]:
    return {
        one["path"]: (one["parameters"], one["trainable"], one["optimised"])
        for one in parts_of(model, optimizer)
    }


def sgd(parameters: Any) -> Any:
    return torch.optim.SGD(parameters, lr=0.1)


def test_without_words_only_upper_parts() -> None:
    told = parts_of(Detector(), None, words="")
    assert "neck.0.0" not in [one["path"] for one in told]


def test_upper_parts_and_every_contrastive_one() -> None:
    model = Detector()
    told = parts_of(model, optim.OptimWrapper(sgd(model.parameters())))
    assert [(one["path"], one["kind"]) for one in told] == [
        ("backbone", "Linear"),
        ("roi_head", "RoIHead"),
        ("roi_head.bbox_head", "Sequential"),
        ("roi_head.macl_head", "MACLHead"),
        ("neck", "Sequential"),
        ("neck.0", "Sequential"),
        ("neck.0.0", "InfoNCELoss"),
    ]
    counted = numbers(model, optim.OptimWrapper(sgd(model.parameters())))
    assert counted["roi_head.macl_head"] == (10, 10, 10)
    assert counted["roi_head"] == (50, 50, 50)
    assert counted["neck.0.0"] == (0, 0, 0)


def test_a_frozen_head_and_one_that_was_left_out() -> None:
    model = Detector()
    model.roi_head.macl_head.embed.weight.requires_grad_(False)
    assert numbers(model, sgd(model.parameters()))["roi_head.macl_head"] == (10, 2, 2)
    without = [*model.backbone.parameters(), *model.roi_head.bbox_head.parameters()]
    counted = numbers(model, sgd(without))
    assert counted["roi_head.macl_head"] == (10, 2, 0)
    assert counted["backbone"] == (16, 16, 16)


def test_several_optimizers_hold_it_together() -> None:
    model = Detector()
    wrapped = optim.OptimWrapperDict(
        a=optim.OptimWrapper(sgd(model.backbone.parameters())),
        b=optim.OptimWrapper(sgd(model.roi_head.macl_head.parameters())),
    )
    counted = numbers(model, wrapped)
    assert (counted["backbone"][2], counted["roi_head.macl_head"][2]) == (16, 10)
    assert counted["roi_head.bbox_head"][2] == 0


@pytest.mark.parametrize(
    "optimizer",
    [None, {"type": "OptimWrapper"}, SimpleNamespace(param_groups=3),
     sgd([nn.Parameter(torch.zeros(16))])],
    ids=["none", "not built", "odd", "holds copies"],
)  # fmt: skip
def test_an_optimizer_that_does_not_tell_is_unread_and_not_empty(optimizer: Any) -> None:
    assert numbers(Detector(), optimizer)["roi_head.macl_head"] == (10, 10, None)


@pytest.mark.parametrize("name", ["module", "_orig_mod"])
def test_a_wrapper_is_looked_through(name: str) -> None:
    model, wrapper = Detector(), nn.Module()
    wrapper.add_module(name, model)
    assert numbers(wrapper, sgd(model.parameters())) == numbers(model, sgd(model.parameters()))


@pytest.mark.parametrize(
    ("name", "telling"),
    [("MACLHead", True), ("DualMACL", True), ("FasterRCNNMACL", True), ("macl_loss", True),
     ("contrastive", True), ("PatchNCELoss", True), ("info_nce", True), ("InfoNCE", True),
     ("InstanceNorm2d", False), ("balance", False), ("SigmaClip", False), ("reference", False),
     ("", False), ("0", False)],
)  # fmt: skip
def test_names_that_tell_of_a_contrastive_loss(name: str, telling: bool) -> None:
    assert model_outline.has_word(name, re.compile(WORDS)) is telling


def test_a_model_that_computes_the_loss_itself_is_a_part_of_itself() -> None:
    class MACLDetector(nn.Sequential):
        pass

    told = parts_of(MACLDetector(nn.Linear(2, 2)), None)
    assert [(one["path"], one["kind"]) for one in told] == [("", "MACLDetector"), ("0", "Linear")]
    told = parts_of(MACLDetector(MACLHead()), None)
    assert [one["path"] for one in told] == ["0", "0.embed"]


def test_a_lazy_part_has_no_numbers_yet() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.Linear(2, 2))
    assert numbers(model, None)["0"] == (0, 0, None)


def test_of_a_huge_model_the_telling_part_is_kept() -> None:
    model = nn.Sequential(*(nn.Identity() for _ in range(model_outline.MOST + 50)), RoIHead())
    told = parts_of(model, None)
    assert len(told) == model_outline.MOST
    assert told[-1]["kind"] == "MACLHead"


# --- the record ------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(protocol.ENV_ATTEMPT_DIR, str(tmp_path))
    return tmp_path


def write(folder: Path, rank: int) -> None:
    model = Detector()
    model_outline.write(model, [sgd(model.parameters())], str(folder), rank, WORDS)


def test_the_supervisor_reads_what_the_agent_wrote(folder: Path) -> None:
    write(folder, 0)
    assert os.listdir(folder) == ["model-0.json"]
    if os.name != "nt":
        assert stat.S_IMODE((folder / "model-0.json").stat().st_mode) == 0o600
    models = ModelFiles(folder)
    (event,) = models.poll(1.0, 2.0)
    assert (event.at, event.wall, event.rank, len(event.parts)) == (1.0, 2.0, 0, 7)
    assert event.parts[3] == ModelPart(
        path="roi_head.macl_head", kind="MACLHead", parameters=10, trainable=10, optimised=10
    )
    assert models.poll(1.0, 2.0) == []


def test_the_first_rank_tells_for_all(folder: Path) -> None:
    write(folder, 1)
    assert os.listdir(folder) == []


def test_what_fails_is_noted_and_the_training_goes_on(folder: Path) -> None:
    model_outline.write(3, [], str(folder), 0)
    assert "recording the model" in (folder / "agent-error.txt").read_text(encoding="utf-8")


GOOD = {"path": "a", "kind": "B", "parameters": 3, "trainable": 2, "optimised": None}


@pytest.mark.parametrize(
    "record",
    [
        [],
        {"rank": 0},
        {"rank": -1, "parts": []},
        {"rank": True, "parts": []},
        {"rank": 0, "parts": [GOOD, 3]},
        {"rank": 0, "parts": [{**GOOD, "parameters": "3"}]},
        {"rank": 0, "parts": [{**GOOD, "optimised": -1}]},
        {"rank": 0, "parts": [{**GOOD, "kind": None}]},
        {"rank": 0, "parts": [{k: v for k, v in GOOD.items() if k != "optimised"}]},
    ],
    ids=lambda record: json.dumps(record)[-40:],
)
def test_what_is_no_record_is_passed_over_as_a_whole(tmp_path: Path, record: Any) -> None:
    (tmp_path / "model-0.json").write_text(json.dumps(record), encoding="utf-8")
    assert ModelFiles(tmp_path).poll(0, 0) == []


def test_names_from_outside_are_cleaned(tmp_path: Path) -> None:
    part = {**GOOD, "path": "macl\x1b[2J\n", "kind": "K" * 900}
    (tmp_path / "model-0.json").write_text(json.dumps({"rank": 0, "parts": [part]}))
    (event,) = ModelFiles(tmp_path).poll(0, 0)
    assert (event.parts[0].path, len(event.parts[0].kind)) == ("macl", 200)
