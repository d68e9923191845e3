"""The training starts while its configuration is loaded; what is refused leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytest.importorskip("mmengine")

DEADLINE = 120.0

SCRIPT = """
import os, pathlib, sys, time
pathlib.Path("began.part").write_text(str(os.getpid()))
os.replace("began.part", "began")
time.sleep(float(os.environ["SLEEPS"]))
"""

CONFIG = """
train_dataloader = dict(batch_size=1, num_workers=0, dataset=dict(type="TinyDataset", length=2))
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=1)
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.01))
model = dict(type="TinyModel")
"""
LOADS = CONFIG + 'custom_imports = dict(imports=["loaded"])\n'
"""Loading it imports a module of the same folder."""

WAITS = """
import os
import time

until = time.monotonic() + 100
while not os.path.exists("began") and time.monotonic() < until:
    time.sleep(0.05)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    return tmp_path


def command(config: str, module: str) -> list[str]:
    Path("cfg.py").write_text(config)
    Path("loaded.py").write_text(module)
    words = [sys.executable, "-m", "dualwatch", "train", "cfg.py", "--script", "train.py"]
    return [*words, "--work-dir", "wd", "--no-tensorboard"]


def run(config: str, module: str = "") -> subprocess.CompletedProcess[str]:
    words = command(config, module)
    return subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE, check=False)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_the_training_begins_before_its_configuration_is_loaded(folder, monkeypatch):
    """This one does not load until the training has begun."""
    monkeypatch.setenv("SLEEPS", "0")
    done = run(LOADS, WAITS + "assert os.path.exists('began')\n")
    assert done.returncode == 0, done.stderr
    assert (folder / "wd/dualwatch/summary.json").exists()


def test_a_configuration_that_does_not_load_ends_it_again(folder, monkeypatch):
    monkeypatch.setenv("SLEEPS", "600")
    done = run(LOADS, WAITS + "raise ValueError('no such number')\n")
    assert done.returncode == 2, done.stderr
    assert "no such number" in done.stderr
    assert is_gone(int((folder / "began").read_text()))
    assert not (folder / "wd").exists()


def test_an_earlier_run_is_where_it_was(folder, monkeypatch):
    monkeypatch.setenv("SLEEPS", "0")
    assert run(CONFIG).returncode == 0
    before = sorted(folder.joinpath("wd").rglob("*"))
    journal = (folder / "wd/dualwatch/journal.jsonl").read_bytes()
    (folder / "began").unlink()
    assert run(LOADS, WAITS + "raise ValueError('no such number')\n").returncode == 2
    assert sorted(folder.joinpath("wd").rglob("*")) == before
    assert (folder / "wd/dualwatch/journal.jsonl").read_bytes() == journal


def test_what_its_text_shows_to_be_wrong_is_not_started(folder, monkeypatch):
    monkeypatch.setenv("SLEEPS", "600")
    done = run(CONFIG.replace("length=2", "data_root='not/there'"))
    assert done.returncode == 2, done.stderr
    assert "not/there" in done.stderr
    assert not (folder / "began").exists()
    assert not (folder / "wd").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_the_configuration_is_loaded(folder, monkeypatch, number, code):
    monkeypatch.setenv("SLEEPS", "600")
    words = command(LOADS, WAITS + "open('loading', 'w').close()\ntime.sleep(600)\n")
    process = subprocess.Popen(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # A shell that starts the tests in the background has it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        until = time.monotonic() + DEADLINE
        while not (folder / "loading").exists():
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(DEADLINE) == code
    finally:
        process.kill()
    assert is_gone(int((folder / "began").read_text()))
    assert not (folder / "wd").exists()
