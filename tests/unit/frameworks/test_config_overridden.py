"""Variables that are assigned anew after a base has used them."""

from __future__ import annotations

from pathlib import Path

import pytest
from dualwatch.frameworks.mmengine.config import inherit, overridden

BASE = """epochs = 300
rate = 0.1
root = 'data/a/'
unused = 1
train_cfg = dict(max_epochs=epochs)
optim_wrapper = dict(optimizer=dict(lr=rate))
train_dataloader = dict(dataset=dict(data_root=root))
"""


def keys(folder: Path, text: str, base: str = BASE, more: str = "") -> list[str]:
    (folder / "base.py").write_text(base, "utf-8")
    (folder / "middle.py").write_text(more, "utf-8")
    (folder / "own.py").write_text(text, "utf-8")
    values = inherit.read_file(folder / "own.py").values
    return [one.key for one in overridden.defects(folder / "own.py", values)]


@pytest.mark.parametrize(
    "text",
    [
        "_base_ = 'base.py'\nepochs = 40\nrate = 0.5\n",
        "from mmengine.config import read_base\nwith read_base():\n    from .base import *\n"
        "epochs = 40\nrate = 0.5\n",
    ],
    ids=["_base_", "read_base"],
)
def test_without_effect(tmp_path: Path, text: str) -> None:
    assert keys(tmp_path, text) == ["epochs", "rate"]


def test_without_effect_on_a_part(tmp_path: Path) -> None:
    base = "root = 'a/'\nx = dict(y=root)\nmodel = dict(p=x)\nval_cfg = dict(z=root)\n"
    text = "_base_ = 'base.py'\nroot = 'b/'\nmodel = dict(p=dict(y='b/'))\n"
    assert keys(tmp_path, text, base) == ["root"]
    assert keys(tmp_path, text + "val_cfg = dict(z='b/')\n", base) == []


def test_without_effect_over_two_files(tmp_path: Path) -> None:
    middle = "_base_ = 'base.py'\nmodel = dict(a=1)\n"
    assert keys(tmp_path, "_base_ = 'middle.py'\nrate = 0.5\n", more=middle) == ["rate"]


@pytest.mark.parametrize(
    "text",
    [
        "_base_ = 'base.py'\nepochs = 40\ntrain_cfg = dict(max_epochs=epochs)\n",
        "_base_ = 'base.py'\nepochs = 300\n",
        "_base_ = 'base.py'\nunused = 2\nmine = 3\n",
        "_base_ = 'base.py'\ntrain_cfg = dict(max_epochs=3)\n",
        "_base_ = 'base.py'\nepochs = _base_.epochs\n",
        "_base_ = 'base.py'\nroot = None\n",
        "_base_ = 'base.py'\nepochs = 40\ntrain_cfg = dict(max_epochs=40)\n",
        "_base_ = 'base.py'\nroot = 'b/'\n"
        "train_dataloader = dict(dataset=dict(data_root='b/', ann_file='b/a.json'))\n",
        "epochs = 40\n",
        "_base_ = 'absent.py'\nepochs = 40\n",
        "_base_ = 'base.py'\nepochs = (\n",
    ],
)
def test_with_effect_or_not_known(tmp_path: Path, text: str) -> None:
    assert keys(tmp_path, text) == []
