"""The agent inside a real mmengine training with real loader workers."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from dualwatch import protocol
from dualwatch.actions.launch import SITE_FOLDER
from dualwatch.collectors.agent_files.batches import BatchFiles
from dualwatch.collectors.agent_files.models import ModelFiles
from dualwatch.collectors.stacks.from_agent import ask
from dualwatch.events import ModelPart, ThreadStack

from tests.support.paths import TRAININGS

pytest.importorskip("torch")
pytest.importorskip("mmengine")

DEADLINE = 120.0
"""Seconds after which a test gives up waiting; nothing is judged by it."""


@pytest.fixture
def train(tmp_path: Path) -> Iterator[Any]:
    """Starts ``tiny.py`` with the agent inside; puts down what is left of it in the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> subprocess.Popen[bytes]:
        script, config = TRAININGS / "tiny.py", TRAININGS / "tiny_cfg.py"
        command = [sys.executable, str(script), str(config), "--work-dir", str(tmp_path / "work")]
        with open(tmp_path / "console.log", "wb") as console:
            process = subprocess.Popen(
                [*command, "--cfg-options", *options],
                stdout=console,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "PYTHONPATH": str(SITE_FOLDER),
                    protocol.ENV_ATTEMPT_DIR: str(tmp_path),
                },
            )
        started.append(process)
        return process

    (tmp_path / protocol.OVERRIDES_FILE).write_text(
        json.dumps({"overrides": {}, "stretch": 1}), encoding="utf-8"
    )
    yield start
    for process in started:
        tree: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            tree = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        for one in tree:
            with contextlib.suppress(psutil.Error):
                one.kill()
        psutil.wait_procs(tree, timeout=DEADLINE)


def functions(stack: ThreadStack) -> set[str]:
    return {frame.bare for frame in stack.frames}


def test_what_a_batch_holds_and_what_came_of_it(train: Any, tmp_path: Path) -> None:
    process = train("train_cfg.max_epochs=2")
    assert process.wait(timeout=DEADLINE) == 0, (tmp_path / "console.log").read_text()
    (event,) = BatchFiles(tmp_path).poll(0, 0)
    assert (event.rank, event.iteration) == (0, 1)
    assert event.outline == ("x: Tensor 4x1", "y: Tensor 4x1")
    assert event.losses == ("loss", "loss_cls", "loss_macl")
    (model,) = ModelFiles(tmp_path).poll(0, 0)
    linear = {"path": "weight", "kind": "Linear", "parameters": 2, "trainable": 2, "optimised": 2}
    # The preprocessor that mmengine adds learns nothing.
    assert model.parts[-1] == ModelPart(**linear)
    assert sum(part.parameters for part in model.parts) == 2
    assert not (tmp_path / "agent-error.txt").exists()
    # Workers came and went; they left nothing.
    assert sorted(path.name for path in tmp_path.glob("stacks*")) == [protocol.STACKS_FILE]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nobody is asked")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_deadlock_of_workers_is_seen_from_inside(train: Any, tmp_path: Path, method: str) -> None:
    process = train(
        "train_dataloader.dataset.hang_at=5",
        f"train_dataloader.dataset.start_method={method}",
        f"env_cfg.mp_cfg.mp_start_method={method}",
    )
    deadline = time.monotonic() + DEADLINE
    while True:
        assert process.poll() is None, (tmp_path / "console.log").read_text()
        assert time.monotonic() < deadline, "the deadlock never came"
        tree = [process.pid, *(one.pid for one in psutil.Process(process.pid).children())]
        answers = ask(tree, tmp_path).values()
        stacks = [stack for answer in answers if isinstance(answer, tuple) for stack in answer]
        waiting = [stack for stack in stacks if "_try_get_data" in functions(stack)]
        workers = [stack for stack in stacks if "_worker_loop" in functions(stack)]
        stuck = [stack for stack in workers if "fetch" in functions(stack)]
        if waiting and len(workers) == 2 and stuck:
            break
    assert [(stack.pid, stack.thread) for stack in waiting] == [(process.pid, "MainThread")]
    assert stuck[0].thread == "MainThread"
    assert stuck[0].frames[0].bare == "__getitem__"
    assert stuck[0].frames[0].file.endswith("tiny.py")
