"""The checkpoint that a training is to start from: there, whole, or neither of the two known."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from dualwatch.events import CheckpointSeen, ConfigRead
from dualwatch.frameworks.mmengine import start_checkpoint
from dualwatch.frameworks.mmengine.config import fields
from dualwatch.frameworks.mmengine.start_checkpoint import look


def see(
    load_from: str = "", *, resumes: bool = False, work_dir: Path | None = None, **options: Any
) -> CheckpointSeen | None:
    named: Any = {"load_from": load_from, "resumes": resumes}
    config = ConfigRead(at=0.0, wall=0.0, path="c.py", how="loaded", loaders={}, **named)
    return look(config, work_dir, at=1.0, wall=2.0, **options)


def told(path: Path) -> tuple[bool | None, bool | None, str]:
    seen = see(str(path))
    assert seen is not None
    assert seen.path == str(path)
    return seen.exists, seen.whole, seen.why


def checkpoint(path: Path, *names: str, size: int = 100_000) -> Path:
    """As torch writes one: members that are stored, not deflated."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names or ("epoch_1/data.pkl", "epoch_1/data/0", "epoch_1/version"):
            archive.writestr(name, bytes(range(250)) * (size // 250))
    return path


def test_a_whole_one(tmp_path: Path) -> None:
    assert told(checkpoint(tmp_path / "a.pth")) == (True, True, "")


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.999])
def test_a_truncated_one(tmp_path: Path, kept: float) -> None:
    path = checkpoint(tmp_path / "a.pth")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    exists, whole, why = told(path)
    assert (exists, whole) == (True, False)
    assert ("truncated" if kept else "empty") in why


def test_a_damaged_one(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "a.pth")
    data = bytearray(path.read_bytes())
    data[150_000] ^= 1
    path.write_bytes(data)
    exists, whole, why = told(path)
    assert (exists, whole) == (True, False)
    assert "damaged" in why


def test_of_a_large_one_the_checksums_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoint(tmp_path / "a.pth")
    monkeypatch.setattr(start_checkpoint, "PATIENCE", -1.0)
    exists, whole, why = told(path)
    assert (exists, whole) == (True, True)
    assert "not all checksums" in why
    monkeypatch.setattr(start_checkpoint, "ALL_OF_IT", 1000)
    exists, whole, why = told(path)
    assert (exists, whole) == (True, True)
    assert "were not compared" in why
    path.write_bytes(path.read_bytes()[:-300])
    assert told(path)[1] is False


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "page.pth").write_text("<html>404</html>")
    assert told(tmp_path / "page.pth")[1] is False
    checkpoint(tmp_path / "photos.pth", "a/photo.jpg")
    exists, whole, why = told(tmp_path / "photos.pth")
    assert (exists, whole) == (True, False)
    assert "data.pkl" in why
    (tmp_path / "folder").mkdir()
    assert told(tmp_path / "folder")[1] is False


def test_one_that_is_not_there(tmp_path: Path) -> None:
    assert told(tmp_path / "gone.pth") == (False, None, "it is not there")
    seen = see("a\0b\x1b[2J.pth")
    assert seen is not None
    assert (seen.path, seen.exists) == ("ab.pth", False)


@pytest.mark.parametrize(
    "address",
    ["https://host/a.pth", "open-mmlab://a", "torchvision://resnet50", "s3://b/a.pth", "s3:b/a"],
)
def test_an_address_is_not_asked(address: str) -> None:
    seen = see(address)
    assert seen is not None
    assert (seen.path, seen.exists, seen.whole) == (address, None, None)
    assert seen.why


def test_a_path_that_was_not_read_is_unread() -> None:
    seen = see("<not read: find()>")
    assert seen is not None
    assert (seen.exists, seen.whole) == (None, None)
    assert "computed" in seen.why


def test_without_one_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert see() is None


def test_resuming_takes_the_newest_of_the_work_dir(tmp_path: Path) -> None:
    for folder in (tmp_path, None):
        seen = see(resumes=True, work_dir=folder)
        assert seen is not None
        assert (seen.exists, seen.whole) == (None, None)
        assert "begins anew" in seen.why
    path = checkpoint(tmp_path / "epoch_3.pth")
    (tmp_path / "last_checkpoint").write_text(str(path))
    seen = see(resumes=True, work_dir=tmp_path)
    assert seen == CheckpointSeen(at=1.0, wall=2.0, path=str(path), exists=True, whole=True)
    path.unlink()
    seen = see(resumes=True, work_dir=tmp_path)
    assert seen is not None
    assert seen.exists is False
    # What is named comes first.
    other = checkpoint(tmp_path / "named.pth")
    seen = see(str(other), resumes=True, work_dir=tmp_path)
    assert seen is not None
    assert (seen.path, seen.whole) == (str(other), True)


def test_a_relative_path_begins_at_one_of_the_roots(tmp_path: Path) -> None:
    checkpoint(tmp_path / "a.pth")
    seen = see("a.pth", roots=(tmp_path / "nowhere", tmp_path))
    assert seen is not None
    assert (seen.path, seen.exists, seen.whole) == ("a.pth", True, True)


def test_the_first_file_of_a_part_of_the_model_that_is_not_there(tmp_path: Path) -> None:
    whole, absent = checkpoint(tmp_path / "a.pth"), tmp_path / "b.pth"
    parts = {"model.backbone.init_cfg.checkpoint": str(whole), "model.neck": str(absent)}
    config = ConfigRead(at=0.0, wall=0.0, path="c.py", how="loaded", loaders={}, pretrained=parts)
    seen = look(config, None, at=1.0, wall=2.0)
    assert seen is not None
    assert (seen.path, seen.exists) == (str(absent), False)


def test_files_that_fill_parts_of_the_model() -> None:
    model: Any = {
        "backbone": {"init_cfg": {"type": "Pretrained", "checkpoint": "w/r18.pth"}},
        "neck": {"init_cfg": [{"type": "Normal"}, {"type": "Pretrained", "checkpoint": "n.pth"}]},
        "teacher": {"pretrained": "t.pth"},
        "head": {"init_cfg": {"type": "Pretrained", "checkpoint": "torchvision://resnet50"}},
        "other": {"init_cfg": {"type": "Xavier", "checkpoint": "x.pth"}, "pretrained": True},
    }
    assert dict(fields.pretrained({"model": model})) == {
        "model.backbone.init_cfg.checkpoint": "w/r18.pth",
        "model.neck.init_cfg.1.checkpoint": "n.pth",
        "model.teacher.pretrained": "t.pth",
    }
