"""A real Lightning training under ``dualwatch train``: left alone, cured in place, rescued."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from dualwatch import protocol
from dualwatch.actions.launch import write_orders
from dualwatch.agent import SITE_FOLDER
from dualwatch.events import (
    AgentReported,
    BatchSeen,
    CommandAnswered,
    Decided,
    EvaluationLogged,
    HeartbeatRead,
    IterationLogged,
    ModelSeen,
)
from dualwatch.protocol import Phase

from tests.support.supervised import DEADLINE, SupervisedRun

pytest.importorskip("torch")
pytest.importorskip("lightning")

SCRIPT = Path(__file__).resolve().parent / "trainings" / "train_lightning.py"

LENGTH, BATCHES, EPOCHS = 48, 12, 2


class Run(SupervisedRun):
    """One training under the real command.

    Args:
        folder: Its own.
        words: For the training's script.
    """

    def __init__(self, folder: Path, *words: str) -> None:
        super().__init__(folder, ["train", str(SCRIPT)], [str(folder), *words])

    def consumed(self) -> dict[int, Counter[int]]:
        return consumed(self.folder)


def consumed(folder: Path) -> dict[int, Counter[int]]:
    """Epoch -> how often each sample was trained on."""
    epochs: dict[int, Counter[int]] = defaultdict(Counter)
    for line in (folder / "consumed.txt").read_text(encoding="utf-8").splitlines():
        epoch, _, *samples = map(int, line.split())
        epochs[epoch].update(samples)
    return dict(epochs)


def each_once(epochs: Sequence[int]) -> dict[int, Counter[int]]:
    return {epoch: Counter(range(LENGTH)) for epoch in epochs}


def test_a_healthy_training_is_left_alone_and_seen(tmp_path: Path) -> None:
    run = Run(tmp_path)

    assert run.code == 0, run.output
    assert run.of(Decided) == []
    assert run.codes() == set()
    assert run.consumed() == each_once(range(EPOCHS))
    assert run.errors_of_the_agent() == ""
    (agent,) = run.of(AgentReported)
    assert "lightning" in agent.versions
    last = run.of(HeartbeatRead)[-1]
    assert (last.phase, last.epoch, last.iteration) == (Phase.FINISHED, 1, EPOCHS * BATCHES)
    assert (last.max_epochs, last.max_iterations) == (EPOCHS, EPOCHS * BATCHES)
    trained, validated = run.of(IterationLogged), run.of(EvaluationLogged)
    seen = {(line.epoch, line.iteration, line.total) for line in trained}
    assert seen >= {(1, 5, 12), (2, 12, 12)}
    assert all("train_loss" in line.metrics for line in trained)
    assert [(line.epoch, list(line.metrics)) for line in validated] == [
        (1, ["val_loss"]),
        (2, ["val_loss"]),
    ]
    (batch, *_) = run.of(BatchSeen)
    assert batch.outline == ("id: Tensor 4", "x: Tensor 4x1")
    assert "loss" in batch.losses
    (model,) = run.of(ModelSeen)
    assert [(part.path, part.optimised) for part in model.parts] == [("layer", 2)]


def test_a_deadlocked_training_is_cured_in_place(tmp_path: Path) -> None:
    run = Run(tmp_path, "--deadlock")

    assert run.code == 0, run.output
    assert "DW111" in run.codes()
    assert [event.action for event in run.of(Decided)] == ["replace"]
    (attempt,) = run.attempts
    assert (attempt["rescued"], attempt["lost_iterations"]) == (1, 0)
    assert run.consumed() == each_once(range(EPOCHS))
    assert run.errors_of_the_agent() == ""
    assert run.of(HeartbeatRead)[-1].iteration == EPOCHS * BATCHES


def test_an_error_in_a_step_is_reported_with_its_cause(tmp_path: Path) -> None:
    run = Run(tmp_path, "--fail")

    assert run.code == 5, run.output
    assert "DW606" in run.codes()
    (answer,) = run.of(CommandAnswered)
    assert not answer.done  # In the middle of a step nothing whole can be saved.


def test_a_checkpoint_in_the_middle_of_an_epoch_resumes_at_the_sample(tmp_path: Path) -> None:
    middle = tmp_path / "middle.ckpt"
    for number, words in enumerate((["--save-at", "5"], ["--resume", str(middle)])):
        attempt = tmp_path / f"attempt-{number}"
        attempt.mkdir()
        write_orders(attempt, {}, 1)
        done = subprocess.run(
            [sys.executable, str(SCRIPT), str(tmp_path), *words],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env={
                **os.environ,
                "PYTHONPATH": SITE_FOLDER,
                protocol.ENV_ATTEMPT_DIR: str(attempt),
            },
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert not (attempt / "agent-error.txt").exists()
    processes = {line.split()[1] for line in (tmp_path / "consumed.txt").read_text().splitlines()}
    assert len(processes) == 2
    assert consumed(tmp_path) == each_once(range(EPOCHS))
