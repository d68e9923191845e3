"""What every adapter must do, each for a training as its framework's users write it."""

from __future__ import annotations

import functools
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dualwatch.events import (
    AgentReported,
    Decided,
    EvaluationLogged,
    HeartbeatRead,
    IterationLogged,
    ModelSeen,
)
from dualwatch.protocol import Phase

from tests.support.supervised import DEADLINE, SupervisedRun

torch = pytest.importorskip("torch")

TRAININGS = Path(__file__).resolve().parent / "trainings"
BATCHES, BATCH, EPOCHS = 12, 4, 2
EACH_ONCE = {epoch: Counter(range(BATCHES * BATCH)) for epoch in range(EPOCHS)}
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


@dataclass(frozen=True)
class Kind:
    """A kind of training.

    Attributes:
        name: Of its script, ``train_NAME.py``.
        framework: Of its adapter.
        rescue: Pattern of its rescue checkpoints, below the training's folder.
        evaluates: Whether results of a validation are known by name.
        launcher: Words behind ``python``, before the script.
    """

    name: str
    framework: str
    rescue: str
    evaluates: bool = False
    launcher: tuple[str, ...] = ()

    def command(self, folder: Path, *words: str) -> list[str]:
        script = TRAININGS / f"train_{self.name}.py"
        return [sys.executable, *self.launcher, str(script), str(folder), *words]


PLAIN = Kind("plain", "pytorch", "wd/rescue_iter_*.pth")
KINDS = (
    PLAIN,
    Kind("accelerate", "pytorch", "wd/rescue_iter_*"),
    Kind("transformers", "transformers", "out/checkpoint-*", evaluates=True),
    Kind("lightning", "lightning", "lightning_logs/*/rescue_iter_*.pth", evaluates=True),
)
RANKS = Kind("plain", "pytorch", "wd/rescue_iter_*.pth", launcher=TORCHRUN)


def installed(kind: Kind) -> Kind:
    """A kind, unless its package is missing."""
    if kind.name != "plain" and importlib.util.find_spec(kind.name) is None:
        pytest.skip(f"{kind.name} is not installed")
    return kind


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    return installed(request.param)


class Run(SupervisedRun):
    """One training under ``dualwatch run``."""

    def __init__(self, kind: Kind, folder: Path, *words: str) -> None:
        super().__init__(folder, ["run"], kind.command(folder, *words))


def consumed(folder: Path, rank: int = 0) -> dict[int, Counter[int]]:
    """Epoch -> how often each sample was trained on."""
    epochs: dict[int, Counter[int]] = {}
    for epoch, *samples in batches(folder, rank):
        epochs.setdefault(epoch, Counter()).update(samples)
    return epochs


def batches(folder: Path, rank: int = 0) -> list[list[int]]:
    """Epoch and samples of each batch, in the order in which they were trained on."""
    lines = (folder / f"consumed-{rank}.txt").read_text(encoding="utf-8").splitlines()
    return [[int(word) for word in line.split()] for line in lines]


def weights(folder: Path, rank: int = 0) -> dict[str, Any]:
    return dict(torch.load(folder / f"weights-{rank}.pt", weights_only=True))


def equal(some: dict[str, Any], others: dict[str, Any]) -> bool:
    return all(torch.equal(some[name], others[name]) for name in {*some, *others})


def bare(kind: Kind, folder: Path, *words: str) -> None:
    """The training without dualwatch."""
    done = subprocess.run(
        kind.command(folder, *words), capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == 0, done.stderr


@functools.cache
def undisturbed(kind: Kind, *words: str) -> list[tuple[list[list[int]], dict[str, Any]]]:
    """Batches and weights of each rank, without dualwatch and without a fault."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare(kind, folder, *words)
        ranks = range(len(list(folder.glob("weights-*.pt"))))
        return [(batches(folder, rank), weights(folder, rank)) for rank in ranks]


def same_as_undisturbed(kind: Kind, folder: Path, *words: str) -> bool:
    return all(
        batches(folder, rank) == order and equal(weights(folder, rank), values)
        for rank, (order, values) in enumerate(undisturbed(kind, *words))
    )


def rescued(kind: Kind, folder: Path) -> str:
    (path,) = folder.glob(kind.rescue)
    return str(path)


def test_a_healthy_training_is_followed_and_left_alone(kind: Kind, tmp_path: Path) -> None:
    run = Run(kind, tmp_path)

    assert run.code == 0, run.output
    assert run.of(Decided) == []
    assert run.codes() == set()
    assert run.errors_of_the_agent() == ""
    (agent,) = run.of(AgentReported)
    assert agent.framework == kind.framework
    assert kind.name == "plain" or kind.name in agent.versions
    last = run.of(HeartbeatRead)[-1]
    assert (last.phase, last.iteration) == (Phase.FINISHED, EPOCHS * BATCHES)
    assert any("loss" in line.metrics for line in run.of(IterationLogged))
    results = [name for line in run.of(EvaluationLogged) for name in line.metrics]
    assert any("loss" in name for name in results) == kind.evaluates
    assert run.of(ModelSeen)
    assert same_as_undisturbed(kind, tmp_path)


def test_a_lock_cycle_is_named_and_its_loader_replaced(kind: Kind, tmp_path: Path) -> None:
    run = Run(kind, tmp_path, "--cycle")

    assert run.code == 0, run.output
    assert "DW111" in run.codes()
    assert [event.action for event in run.of(Decided)] == ["replace"]
    (attempt,) = run.attempts
    assert (attempt["rescued"], attempt["lost_iterations"]) == (1, 0)
    assert run.errors_of_the_agent() == ""
    assert consumed(tmp_path) == EACH_ONCE
    assert same_as_undisturbed(kind, tmp_path)


def test_a_lock_cycle_in_one_rank_is_named_and_its_loader_replaced(tmp_path: Path) -> None:
    run = Run(RANKS, tmp_path, "--cycle")

    assert run.code == 0, run.output
    assert "DW111" in run.codes()
    assert [event.action for event in run.of(Decided)] == ["replace"]
    halves = [consumed(tmp_path, rank) for rank in (0, 1)]
    assert {epoch: halves[0][epoch] + halves[1][epoch] for epoch in range(EPOCHS)} == EACH_ONCE
    assert equal(weights(tmp_path, 0), weights(tmp_path, 1))
    assert same_as_undisturbed(RANKS, tmp_path)


def test_after_an_error_it_resumes_from_its_last_whole_step(kind: Kind, tmp_path: Path) -> None:
    if kind.name == "lightning":
        pytest.skip("after an error in a step none is saved")
    run = Run(kind, tmp_path, "--fail-at", "17")

    assert run.code == 5, run.output
    assert run.attempts[-1]["lost_iterations"] == 0
    bare(kind, tmp_path, "--resume", rescued(kind, tmp_path))
    assert same_as_undisturbed(kind, tmp_path)


class Started:
    """A training under ``dualwatch run`` that takes its time until the file ``enough`` is there."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.folder = folder
        options = ["--no-tensorboard", "--work-dir", str(folder / "wd")]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "dualwatch", "run", *options, "--"),
                *kind.command(folder, "--step", "0.5", "--enough", str(folder / "enough")),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            start_new_session=True,
        )

    def wait_for(self, lines: int) -> None:
        """Waits until so many batches were trained on."""
        until = time.monotonic() + DEADLINE
        path = self.folder / "consumed-0.txt"
        while not path.exists() or len(path.read_text().splitlines()) < lines:
            assert time.monotonic() < until
            time.sleep(0.1)


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_after_ctrl_c_it_resumes_at_the_sample(kind: Kind, tmp_path: Path) -> None:
    if kind.name == "lightning":
        pytest.skip("it resumes at the sample under dualwatch alone: tests/training/lightning")
    started = Started(kind, tmp_path)
    started.wait_for(5)
    started.process.send_signal(signal.SIGINT)

    assert started.process.wait(DEADLINE) == 130
    bare(kind, tmp_path, "--resume", rescued(kind, tmp_path))
    assert same_as_undisturbed(kind, tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
def test_a_training_outlives_dualwatch(tmp_path: Path) -> None:
    started = Started(PLAIN, tmp_path)
    started.wait_for(5)
    started.process.kill()
    started.process.wait(DEADLINE)
    (tmp_path / "enough").touch()

    started.wait_for(EPOCHS * BATCHES)
    assert batches(tmp_path) == undisturbed(PLAIN)[0][0]
