"""Rehearsals of real trainings: what they name, and that nothing of them is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from tests.support.paths import TRAININGS

DEADLINE = 180.0

BY_ITERATIONS = (
    "train_cfg._delete_=True",
    "train_cfg.type=IterBasedTrainLoop",
    "train_cfg.max_iters=24",
    "train_cfg.val_interval=2",
)


@pytest.fixture
def start(tmp_path):
    """Starts ``check --rehearse`` of the tiny training; its scratch folder is in one of its own."""
    # Short: the sockets of loader workers lie there, and a path of one has at most 107 bytes.
    work, scratch = tmp_path / "work", Path(tempfile.mkdtemp(prefix="r"))
    work.mkdir()

    def start(
        *cfg_options: str, require: str = "", script: Path = TRAININGS / "tiny.py"
    ) -> subprocess.Popen[str]:
        config = TRAININGS / "tiny_cfg.py"
        words = [sys.executable, "-m", "dualwatch", "check", str(config), "--rehearse", "--json"]
        words += ["--script", str(script)] + (["--require", require] if require else [])
        words += [word for option in cfg_options for word in ("--cfg-options", option)]
        return subprocess.Popen(
            words,
            cwd=work,
            env={**os.environ, "TMPDIR": str(scratch)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    yield start
    assert list(work.iterdir()) == []
    assert list(scratch.glob("dualwatch-rehearsal-*")) == []


def items(process: subprocess.Popen[str]) -> dict[str, dict[str, str]]:
    out, err = process.communicate(timeout=DEADLINE)
    assert out, err
    document = json.loads(out)
    assert document["exit_code"] == process.returncode
    return {item["id"].removeprefix("rehearsal-"): item for item in document["items"]}


def statuses(process: subprocess.Popen[str]) -> dict[str, str]:
    return {name: item["status"] for name, item in items(process).items()}


def failing(process: subprocess.Popen[str]) -> list[str]:
    return [name for name, status in statuses(process).items() if status == "fail"]


@pytest.mark.parametrize("loop", [(), BY_ITERATIONS])
def test_a_sound_training_passes(start, loop):
    best = "default_hooks.checkpoint.save_best=tiny/error"
    rule = "default_hooks.checkpoint.rule=less"

    found = statuses(start(best, rule, *loop, require="loss_macl"))
    skipped = {name for name, status in found.items() if status == "skip"}
    assert {*found.values()} <= {"pass", "skip", "warn"}
    assert skipped <= {"pairs", "classes", "weights", "hours", "workers"}, found


def test_a_metric_of_save_best_that_does_not_exist(start):
    best = "default_hooks.checkpoint.save_best=tiny/eror"

    assert failing(start(best, "default_hooks.checkpoint.rule=less")) == ["monitored"]


def test_a_required_loss_that_the_model_does_not_return(start):
    assert failing(start("model.with_macl=False", require="loss_macl")) == ["losses"]


def test_an_exception_that_the_model_swallows(start):
    found = items(start("model.swallows=True", require="loss_macl"))

    assert [name for name, item in found.items() if item["status"] == "fail"] == ["losses"]
    assert "contrastive_loss" in found["losses"]["observed"]


@pytest.mark.parametrize("loop", [(), BY_ITERATIONS])
def test_a_validation_that_crashes(start, loop):
    assert failing(start("val_dataloader.dataset.break_at=1", *loop)) == ["validates"]


def test_a_model_that_no_step_moves(start):
    assert failing(start("optim_wrapper.optimizer.lr=0.0")) == ["parts"]


def test_a_training_that_crashes(start):
    assert failing(start("model.fail_at=2")) == ["trains"]


UNKNOWN_LOOP = """
import threading

for step in range(10, 100000, 10):
    print(f"11/28 08:00:00 - mmengine - INFO - Epoch(train) [1][{step}/100000]  lr: 1.0000e-03  "
          f"eta: 1:00:00  time: 0.1000  data_time: 0.0100  loss: 0.5000", flush=True)
    threading.Event().wait(0.5)
"""


def test_a_training_that_cannot_be_shortened_is_ended(start, tmp_path):
    script = tmp_path / "unknown_loop.py"
    script.write_text(UNKNOWN_LOOP)

    process = start(script=script)
    out, err = process.communicate(timeout=DEADLINE)

    assert (process.returncode, out) == (3, "")
    assert "shortened" in err


def test_ctrl_c_leaves_nothing(start):
    process = start("model.spin_at=2")
    deadline = time.monotonic() + DEADLINE
    children: list[psutil.Process] = []
    while time.monotonic() < deadline:
        children = psutil.Process(process.pid).children(recursive=True)
        # The loader's workers are there once the training has begun.
        if sum("tiny.py" in " ".join(_words(child)) for child in children) > 1:
            break
        time.sleep(0.1)

    process.send_signal(signal.SIGINT)

    process.communicate(timeout=DEADLINE)
    assert process.returncode == 130
    assert children
    assert [child for child in children if _is_alive(child)] == []


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_data_on_a_storage_that_does_not_respond(start, tmp_path):
    """A pipe without a writer stands for a dead network drive."""
    dead = tmp_path / "dead.json"
    os.mkfifo(dead)
    found = items(start(f"train_dataloader.dataset.ann_file={dead}"))

    assert [name for name, item in found.items() if item["status"] == "fail"] == ["storage"]
    assert found["storage"]["code"] == "DW116"
    assert str(dead) in found["storage"]["observed"]
    assert found["trains"]["status"] == "skip"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_training_on_such_a_storage_is_not_started(tmp_path):
    dead = tmp_path / "dead.json"
    os.mkfifo(dead)
    words = [sys.executable, "-m", "dualwatch", "train", str(TRAININGS / "tiny_cfg.py")]
    words += ["--work-dir", "wd", "--cfg-options", f"train_dataloader.dataset.ann_file={dead}"]
    done = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == 3, done.stderr
    assert str(dead) in done.stderr
    assert not (tmp_path / "wd").exists()
