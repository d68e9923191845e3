"""What check asks beside diagnose, for a configuration, a run and a log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from dualwatch.collectors.target import Target
from dualwatch.core.settings import resolve
from dualwatch.diagnose import preflight
from dualwatch.diagnose.parallel import collect
from dualwatch.events import (
    CheckpointSeen,
    ConfigRead,
    DataSeen,
    Event,
    NotObserved,
    SurroundingsSeen,
)

CONFIG = """
load_from = 'start.pth'
train_dataloader = dict(
    batch_size=4,
    dataset=dict(type='LLVIPDataset', data_root='{root}', split='train',
                 return_modality_pair=True))
visualizer = dict(vis_backends=[dict(type='TensorboardVisBackend')])
model = dict(data_preprocessor=dict(type='PairedDetDataPreprocessor'))
"""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing torch takes long on a machine that has other work; nothing is judged by it."""
    for name in ("CONFIG_S", "SURROUNDINGS_S"):
        monkeypatch.setattr(preflight, name, 120.0)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for name in ("visible/train/1.jpg", "infrared/train/1.jpg", "infrared/train/2.jpg"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(b"x")
    (tmp_path / "data/Annotations").mkdir()
    (tmp_path / "data/Annotations/1.xml").write_text("<annotation/>")
    path = tmp_path / "c.py"
    path.write_text(CONFIG.format(root=(tmp_path / "data").as_posix()), encoding="utf-8")
    return path


def ask(target: Target, **options: Any) -> dict[type[Event], Any]:
    settings = resolve({"python": sys.executable}).check_policy()
    answers, failures = collect(preflight.collectors(target, settings, **options))
    assert failures == {}
    events: dict[type[Event], Any] = {}
    for answer in answers.values():
        for event in answer if isinstance(answer, list) else [answer]:
            if event is not None:
                events[type(event)] = event
    return events


def test_a_named_configuration_is_loaded_and_looked_through(config: Path) -> None:
    told: list[tuple[str, int, int]] = []
    target = Target(kind="config", path=config, config=config)
    events = ask(target, all_pairs=True, tell=lambda *words: told.append(words))
    assert set(events) == {ConfigRead, DataSeen, CheckpointSeen, SurroundingsSeen}
    read = events[ConfigRead]
    assert (read.backends, read.load_from) == (("TensorboardVisBackend",), "start.pth")
    assert (read.preprocessor, len(read.unpaired)) == ("PairedDetDataPreprocessor", 1)
    (images,) = events[DataSeen].sets
    assert (images.images, images.looked_at, images.lacking) == (2, 2, 1)
    assert events[CheckpointSeen].exists is False
    assert ("pairs", 2, 2) in told
    assert ("images", 2, 2) in told


def test_the_configuration_of_a_run_is_read_and_not_executed(config: Path, tmp_path: Path) -> None:
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    (work_dir / "c.py").write_text(config.read_text() + "\nraise SystemExit(3)\n")
    events = ask(Target(kind="folder", path=work_dir, work_dir=work_dir))
    assert events[ConfigRead].how == "read"
    assert events[ConfigRead].preprocessor == "PairedDetDataPreprocessor"
    assert events[DataSeen].sets[0].looked_at == 2


def test_without_a_configuration_the_reason_is_told(tmp_path: Path) -> None:
    events = ask(Target(kind="folder", path=tmp_path, work_dir=tmp_path))
    assert set(events) == {NotObserved, SurroundingsSeen}
    assert "no configuration" in events[NotObserved].why
    broken = tmp_path / "broken.py"
    broken.write_text("train_dataloader = dict(")
    events = ask(Target(kind="config", path=broken, config=broken))
    assert events[ConfigRead].error
    assert "could not be read" in events[NotObserved].why
    assert DataSeen not in events


def test_a_log_may_be_of_any_machine(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert (
        preflight.collectors(Target(kind="log", path=log, log=log), resolve({}).check_policy())
        == {}
    )
