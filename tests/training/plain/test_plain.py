"""Loops on plain PyTorch under ``dualwatch run``: left alone, cured in place, rescued."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dualwatch.events import (
    AgentReported,
    BatchSeen,
    Decided,
    FindingRaised,
    HeartbeatRead,
    IterationLogged,
    ModelSeen,
    journal,
)
from dualwatch.protocol import Phase

from tests.support.supervised import DEADLINE, SupervisedRun

torch = pytest.importorskip("torch")

SCRIPT = Path(__file__).resolve().parent / "trainings" / "train_plain.py"

LENGTH, BATCHES, EPOCHS = 48, 12, 2
PYTHON = (sys.executable,)
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


class Run(SupervisedRun):
    """One training under the real command.

    Args:
        folder: Its own.
        words: For the training's script.
        launcher: The words before it.
        options: Of dualwatch.
    """

    def __init__(
        self,
        folder: Path,
        *words: str,
        launcher: tuple[str, ...] = PYTHON,
        options: tuple[str, ...] = (),
    ) -> None:
        super().__init__(folder, ["run", *options], [*launcher, str(SCRIPT), str(folder), *words])

    def consumed(self, rank: int = 0) -> dict[int, Counter[int]]:
        """Epoch -> how often each sample was trained on."""
        epochs: dict[int, Counter[int]] = {}
        for line in (self.folder / f"consumed-{rank}.txt").read_text().splitlines():
            epoch, *samples = map(int, line.split())
            epochs.setdefault(epoch, Counter()).update(samples)
        return epochs

    def weights(self, rank: int = 0) -> dict[str, Any]:
        return dict(torch.load(self.folder / f"weights-{rank}.pt", weights_only=True))

    def errors_of_the_agent(self) -> str:
        path = self.own / "attempt-0" / "agent-error.txt"
        return path.read_text(encoding="utf-8") if path.exists() else ""


def bare(folder: Path) -> dict[str, Any]:
    """The weights of the same training without dualwatch and without a fault."""
    folder.mkdir()
    subprocess.run([sys.executable, str(SCRIPT), str(folder)], check=True, capture_output=True)
    return dict(torch.load(folder / "weights-0.pt", weights_only=True))


def equal(some: dict[str, Any], others: dict[str, Any]) -> bool:
    return all(torch.equal(some[name], others[name]) for name in {*some, *others})


EACH_ONCE = {epoch: Counter(range(LENGTH)) for epoch in range(EPOCHS)}


def test_a_healthy_loop_is_left_alone_and_seen(tmp_path: Path) -> None:
    run = Run(tmp_path)

    assert run.code == 0, run.output
    assert run.of(Decided) == []
    assert run.codes() == set()
    assert "DW214" not in {event.finding.code for event in run.of(FindingRaised)}
    assert run.consumed() == EACH_ONCE
    assert run.errors_of_the_agent() == ""
    (agent,) = run.of(AgentReported)
    assert "torch" in agent.versions
    last = run.of(HeartbeatRead)[-1]
    assert (last.phase, last.epoch, last.iteration) == (Phase.FINISHED, 1, EPOCHS * BATCHES)
    (batch, *_) = run.of(BatchSeen)
    assert batch.outline == ("id: Tensor 4", "x: Tensor 4x1")
    trained = {(line.epoch, line.iteration) for line in run.of(IterationLogged)}
    assert trained >= {(1, 1), (1, 10), (1, 12), (2, 12)}
    assert all(list(line.metrics) == ["loss"] for line in run.of(IterationLogged))
    (model, *_) = run.of(ModelSeen)
    assert [(part.path, part.optimised) for part in model.parts] == [("0", 8), ("1", 5)]
    assert equal(run.weights(), bare(tmp_path / "bare"))


def test_a_lock_cycle_of_two_workers_is_cured_in_place(tmp_path: Path) -> None:
    run = Run(tmp_path, "--cycle")

    assert run.code == 0, run.output
    assert "DW111" in run.codes()
    assert [event.action for event in run.of(Decided)] == ["replace"]
    (attempt,) = run.attempts
    assert (attempt["rescued"], attempt["lost_iterations"]) == (1, 0)
    assert run.consumed() == EACH_ONCE
    assert run.errors_of_the_agent() == ""
    assert equal(run.weights(), bare(tmp_path / "bare"))


def test_a_rank_of_torchrun_is_cured_in_place(tmp_path: Path) -> None:
    run = Run(tmp_path, "--cycle", launcher=TORCHRUN)

    assert run.code == 0, run.output
    assert "DW111" in run.codes()
    halves = [run.consumed(rank) for rank in (0, 1)]
    assert {epoch: halves[0][epoch] + halves[1][epoch] for epoch in range(EPOCHS)} == EACH_ONCE
    assert equal(run.weights(0), run.weights(1))


def test_a_stream_is_followed(tmp_path: Path) -> None:
    run = Run(tmp_path, "--iterable")

    assert run.code == 0, run.output
    assert run.codes() == set()
    last = run.of(HeartbeatRead)[-1]
    assert (last.phase, last.iteration) == (Phase.FINISHED, EPOCHS * BATCHES)


def test_an_error_between_two_steps_leaves_a_checkpoint_that_loads(tmp_path: Path) -> None:
    run = Run(tmp_path, "--fail")

    assert run.code == 5, run.output
    assert "DW606" in run.codes()
    (attempt,) = run.attempts
    assert attempt["lost_iterations"] == 0
    saved = torch.load(tmp_path / "wd" / "rescue_iter_16.pth", weights_only=True)
    model = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Linear(4, 1))
    model.load_state_dict(saved["models"][0])
    torch.optim.Adam(model.parameters()).load_state_dict(saved["optimizers"][0])
    assert (saved["epoch"], saved["iteration"], saved["batches"]) == (1, 16, 4)
    assert saved["schedulers"][0]["last_epoch"] == 1


def test_a_loss_that_becomes_nan_is_named(tmp_path: Path) -> None:
    run = Run(tmp_path, "--nan")

    assert run.code == 1, run.output
    assert "DW203" in run.codes()


def test_a_part_that_the_optimizer_lacks_is_named(tmp_path: Path) -> None:
    run = Run(tmp_path, "--half")

    (found,) = [one.finding for one in run.of(FindingRaised) if one.finding.code == "DW214"]
    assert any(re.search(r"\b0\b", evidence.text) for evidence in found.evidence)


def test_a_required_loss_that_is_never_there(tmp_path: Path) -> None:
    run = Run(tmp_path, options=("--require", "loss_macl"))

    assert run.code == 1, run.output
    assert "DW201" in run.codes()


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dualwatch", "run", "--", "no-such-program", "train.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert "no-such-program" in done.stderr
    assert list(tmp_path.iterdir()) == []


LOADERS = """
import os, torch
from torch.utils.data import DataLoader, TensorDataset
net = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
counts = []
for epoch in range(12):
    for (x,) in DataLoader(TensorDataset(torch.rand(8, 1)), batch_size=4, num_workers=2):
        net(x).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    counts.append(len(os.listdir("/proc/self/fd")))
print("descriptors", counts[2], counts[-1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_new_loader_for_each_epoch_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "loaders.py").write_text(LOADERS)
    command = [sys.executable, "-m", "dualwatch", "run", "--no-tensorboard", "--work-dir", "wd"]
    done = subprocess.run(
        [*command, "--", sys.executable, "loaders.py"],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    console = (tmp_path / "wd/dualwatch/attempt-0/console.log").read_text()
    _, early, late = console.split()
    assert int(late) <= int(early)
    events = journal.read(tmp_path / "wd/dualwatch/journal.jsonl")
    beats = [event for event in events if isinstance(event, HeartbeatRead)]
    assert (beats[-1].epoch, beats[-1].iteration) == (11, 24)
