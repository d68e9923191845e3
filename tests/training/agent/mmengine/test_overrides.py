"""The supervisor's changes, applied where the Runner is built."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from dualwatch import protocol
from dualwatch.actions.launch import write_orders
from dualwatch.agent import overrides as orders_file
from dualwatch.agent.mmengine import overrides as orders


def plain(tree: Any) -> Any:
    return copy.deepcopy(tree)


def config_dict(tree: Any) -> Any:
    return pytest.importorskip("mmengine.config").ConfigDict(copy.deepcopy(tree))


def config(tree: Any) -> Any:
    return pytest.importorskip("mmengine.config").Config(copy.deepcopy(tree))


FORMS = pytest.mark.parametrize("form", [plain, config_dict, config])

TREE = {
    "resume": False,
    "train_dataloader": {
        "batch_size": 4,
        "num_workers": 2,
        "prefetch_factor": 2,
        "dataset": {"pipeline": [{"type": "Load"}, {"type": "Resize", "scale": 1}]},
    },
    "val_dataloader": [{"num_workers": 2}, {"num_workers": 3}],
    "param_scheduler": [{"type": "LinearLR", "end": 500}],
}


# --- dotted paths ----------------------------------------------------------------------------


@FORMS
@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("resume", True, lambda t: t["resume"]),
        ("load_from", "epoch_1.pth", lambda t: t["load_from"]),
        ("train_dataloader.num_workers", 0, lambda t: t["train_dataloader"]["num_workers"]),
        ("train_dataloader.timeout", 0, lambda t: t["train_dataloader"]["timeout"]),
        ("val_dataloader.1.num_workers", 0, lambda t: t["val_dataloader"][1]["num_workers"]),
        ("param_scheduler.0.end", 999, lambda t: t["param_scheduler"][0]["end"]),
        (
            "train_dataloader.dataset.pipeline.1.scale",
            0.5,
            lambda t: t["train_dataloader"]["dataset"]["pipeline"][1]["scale"],
        ),
        ("param_scheduler.0.milestones", [8, 11], lambda t: t["param_scheduler"][0]["milestones"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_value_is_set(form, key, value, read: Callable[[Any], Any]) -> None:
    tree = form(TREE)
    orders.set_dotted(tree, key.split("."), value)
    assert read(tree) == value


@FORMS
def test_the_rest_is_left_alone(form) -> None:
    tree = form(TREE)
    orders.set_dotted(tree, ["val_dataloader", "0", "num_workers"], 0)
    assert tree["val_dataloader"][1]["num_workers"] == 3
    assert tree["train_dataloader"]["num_workers"] == 2
    assert len(tree["param_scheduler"]) == 1


@FORMS
def test_none_removes(form) -> None:
    tree = form(TREE)
    for path in (
        ["train_dataloader", "prefetch_factor"],
        ["train_dataloader", "prefetch_factor"],
        ["train_dataloader", "never_there"],
        ["never", "there"],
    ):
        orders.set_dotted(tree, path, None)
    assert "prefetch_factor" not in tree["train_dataloader"]
    assert set(tree["train_dataloader"]) == {"batch_size", "num_workers", "dataset"}
    assert "never" not in list(tree)


class Loader:
    """Something that the script built itself."""


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("built.num_workers", TypeError, "built is Loader, built before dualwatch"),
        ("train.built.num_workers", TypeError, "train.built is Loader"),
        ("built.dataset.length", TypeError, "built is Loader, built before dualwatch"),
        ("several.7.num_workers", IndexError, "range"),
        ("several.0.num_workers", TypeError, "several.0 is Loader"),
    ],
)
def test_what_is_built_is_refused_with_words(path, error, words) -> None:
    tree = {"built": Loader(), "train": {"built": Loader()}, "several": [Loader()]}
    with pytest.raises(error, match=words):
        orders.set_dotted(tree, path.split("."), 0)


# --- applying --------------------------------------------------------------------------------


@FORMS
def test_arguments_and_the_dumped_configuration_change_alike(form) -> None:
    cfg = form(TREE)
    arguments = {name: form(TREE)[name] for name in TREE}
    arguments["cfg"] = cfg
    wanted = {"train_dataloader.num_workers": 0, "train_dataloader.prefetch_factor": None}
    applied, refused = orders.apply(wanted, arguments)
    assert (applied, refused) == (wanted, {})
    for loader in (arguments["train_dataloader"], cfg["train_dataloader"]):
        assert loader["num_workers"] == 0
        assert "prefetch_factor" not in loader


def test_one_that_is_refused_keeps_none_of_the_others_back() -> None:
    arguments = {"train_dataloader": Loader(), "resume": False}
    applied, refused = orders.apply({"train_dataloader.num_workers": 0, "resume": True}, arguments)
    assert applied == {"resume": True}
    assert arguments["resume"] is True
    assert list(refused) == ["train_dataloader.num_workers"]
    assert (
        "Loader, built before dualwatch could change it" in refused["train_dataloader.num_workers"]
    )


def test_a_configuration_that_cannot_be_changed_does_not_matter() -> None:
    arguments = {"train_dataloader": {"num_workers": 2}, "cfg": {"train_dataloader": Loader()}}
    applied, refused = orders.apply({"train_dataloader.num_workers": 0}, arguments)
    assert (list(applied), refused) == (["train_dataloader.num_workers"], {})


def test_a_name_where_the_script_has_a_list_is_refused() -> None:
    arguments = {"param_scheduler": [{"end": 1}], "resume": False}
    applied, refused = orders.apply({"param_scheduler.end": 2, "resume": True}, arguments)
    assert (list(applied), list(refused)) == (["resume"], ["param_scheduler.end"])


@pytest.mark.parametrize("arguments", [{"val_dataloader": None}, {}], ids=["None", "not given"])
def test_a_loader_that_the_script_took_out_does_not_come_back(arguments) -> None:
    orders.apply({"val_dataloader.num_workers": 0}, arguments)
    assert arguments.get("val_dataloader") is None


# --- the file --------------------------------------------------------------------------------


def test_what_the_supervisor_writes_is_what_the_agent_reads(tmp_path) -> None:
    overrides = {"train_dataloader.num_workers": 0, "load_from": "ü.pth", "x.prefetch": None}
    write_orders(tmp_path, overrides, 4)
    assert orders_file.read(str(tmp_path)) == (overrides, 4, True, "", None)
    assert json.loads((tmp_path / "overrides.json").read_text()) == overrides


def test_rescue_can_be_switched_off(tmp_path) -> None:
    write_orders(tmp_path, {}, 1, rescue=False)
    assert orders_file.read(str(tmp_path)).rescue is False


def test_no_file_no_orders(tmp_path) -> None:
    assert orders_file.read(str(tmp_path)) == ({}, 1, True, "", None)


def test_a_file_of_an_earlier_version_has_no_stretch(tmp_path) -> None:
    (tmp_path / protocol.OVERRIDES_FILE).write_text('{"overrides": {"resume": true}}')
    assert orders_file.read(str(tmp_path)) == ({"resume": True}, 1, True, "", None)
