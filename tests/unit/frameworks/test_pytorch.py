"""What is known of a plain PyTorch training without running it."""

from __future__ import annotations

from pathlib import Path

import pytest
from dualwatch import frameworks

LOOP = "import torch\nfor x in loader:\n    loss(x).backward()\n    optimizer.step()\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (LOOP, "pytorch"),
        ("from transformers import Trainer\nTrainer(model).train()\n", "transformers"),
        ("import lightning\n" + LOOP, "lightning"),
        ("from torch.optim import SGD\nmodel = dict(type='FasterRCNN')\n", None),
        ("import torch\nbackbone = dict(init=torch.nn.init.ones_)\n", None),
        ("fit.train()\n", None),
    ],
)
def test_a_script_is_told_from_a_configuration(tmp_path: Path, text: str, name: str | None) -> None:
    script = tmp_path / "train.py"
    script.write_text(text, encoding="utf-8")
    found = frameworks.of_script(script)
    assert (found.name if found is not None else None) == name


def test_its_rescue_checkpoints_are_found(tmp_path: Path) -> None:
    adapter = frameworks.get("pytorch")
    assert adapter.newest_checkpoint(tmp_path, since=0.0) == (None, [])
    for number in (8, 120):
        (tmp_path / f"rescue_iter_{number}.pth").touch()
    (tmp_path / "model.pth").touch()
    found, _ = adapter.newest_checkpoint(tmp_path, since=0.0)
    assert found is not None
    assert found.number in (8, 120)
    assert adapter.newest_checkpoint(tmp_path, since=9e9) == (None, [])


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("pytorch", "torch.load"),
        ("lightning", "ckpt_path="),
        ("transformers", "resume_from_checkpoint="),
        ("mmengine", ""),
    ],
)
def test_what_a_script_calls_to_resume(tmp_path: Path, name: str, call: str) -> None:
    path = tmp_path / "saved"
    shown = frameworks.get(name).resume_call(path)
    assert call in shown
    assert (repr(str(path)) in shown) == bool(call)


def test_a_folder_is_resumed_by_what_saved_it(tmp_path: Path) -> None:
    assert "load_state" in frameworks.get("pytorch").resume_call(tmp_path)
