"""What is known of a Lightning training without running it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from dualwatch import frameworks
from dualwatch.frameworks.base import Overrides, TrainingSpec
from dualwatch.frameworks.lightning.adapter import Lightning
from dualwatch.protocol import WORKERS_KEY


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import lightning as L\n", "lightning"),
        ("from lightning.pytorch import Trainer\n", "lightning"),
        ("def main():\n    import pytorch_lightning as pl\n", "lightning"),
        ("from .lightning import thing\n", None),
        ("# import lightning\nmodel = dict(type='FasterRCNN')\n", None),
        ("import lightning_is_not_it\n", None),
        ("this is no Python\n", None),
    ],
)
def test_a_script_is_known_by_its_imports(tmp_path: Path, text: str, name: str | None) -> None:
    script = tmp_path / "train.py"
    script.write_text(text, encoding="utf-8")
    found = frameworks.of_script(script)
    assert (found.name if found is not None else None) == name


def test_a_script_that_is_not_there_is_of_no_framework(tmp_path: Path) -> None:
    assert frameworks.of_script(tmp_path / "train.py") is None


def checkpoint(path: Path, written: float, *, whole: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 100)
    if not whole:
        path.write_bytes(path.read_bytes()[:60])
    os.utime(path, (written, written))
    return path


def test_the_newest_whole_checkpoint_of_any_version(tmp_path: Path) -> None:
    logs = tmp_path / "lightning_logs"
    checkpoint(logs / "version_0" / "checkpoints" / "epoch=0-step=10.ckpt", 100.0)
    good = checkpoint(logs / "version_1" / "checkpoints" / "epoch=1-step=24.ckpt", 200.0)
    cut = checkpoint(logs / "version_1" / "checkpoints" / "last.ckpt", 300.0, whole=False)
    adapter = Lightning()
    found, passed = adapter.newest_checkpoint(tmp_path, since=50.0)
    assert found is not None
    assert (found.path, found.number, found.by_epoch) == (good, 24, False)
    assert [text.split(":")[0] for text in passed] == [cut.name]
    assert adapter.newest_checkpoint(tmp_path, since=50.0, without={good})[0] != found
    assert adapter.newest_checkpoint(tmp_path, since=1000.0) == (None, [])
    assert adapter.last_checkpoint(tmp_path) == cut


def test_a_rescue_checkpoint_is_one_of_them(tmp_path: Path) -> None:
    checkpoint(tmp_path / "checkpoints" / "epoch=0-step=10.ckpt", 100.0)
    rescue = checkpoint(tmp_path / "rescue_iter_16.pth", 200.0)
    found, _ = Lightning().newest_checkpoint(tmp_path, since=50.0)
    assert found is not None
    assert (found.path, found.number) == (rescue, 16)


def test_overrides_that_it_can_take() -> None:
    adapter, spec = Lightning(), TrainingSpec()
    (change,) = adapter.changes(spec, Overrides(workers=0), keep_effective=True)
    assert (change.key, change.after) == (WORKERS_KEY, 0)
    assert adapter.in_force(spec, {WORKERS_KEY: 0}) == Overrides(workers=0)
    assert adapter.changes(spec, Overrides(batch=2), keep_effective=True) == ()
    assert adapter.in_force(spec, {}) == Overrides()
