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
