"""Runs that never were: journals of scripted events, and the pages that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    Change,
    CommandAnswered,
    Decided,
    EvaluationLogged,
    Event,
    Evidence,
    Finding,
    FindingRaised,
    Frame,
    GpuSample,
    GpusSampled,
    HeartbeatRead,
    HostSampled,
    IterationLogged,
    NotObserved,
    ProcessesSampled,
    ProcessSample,
    RunEnded,
    RunStarted,
    Severity,
    StacksCaptured,
    ThreadStack,
)
from dualwatch.events.journal import Journal

START = 1_790_000_000.0
GIB = 1 << 30


class Script:
    """Facts of a run, written down in the order in which they happen. ``now`` is in seconds."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = 0.0
        self.attempt = 0
        self.pid = 100

    def add(self, kind: type[Event], **fields: object) -> Script:
        self.events.append(kind(at=self.now, wall=START + self.now, **fields))
        return self

    def start(self, **fields: object) -> Script:
        known = {
            "config": "configs/llvip/macl.py",
            "script": "tools/train.py",
            "work_dir": "work_dirs/macl",
            "required_metrics": ("loss_macl",),
            "required_because": "the model mentions MACLHead",
            "version": "0.1.0",
            "command": ("python", "tools/train.py", "configs/llvip/macl.py"),
            "sections": {
                "train_dataloader": {"batch_size": 4, "num_workers": 2, "sampler": {"type": "S"}},
                "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.02}},
            },
            "settings": {"stall_timeout": 300.0},
        }
        return self.add(RunStarted, **{**known, **fields})

    def launch(self, number: int, changes: Sequence[Change] = (), **fields: object) -> Script:
        self.attempt, self.pid = number, 100 + number
        return self.add(
            AttemptStarted,
            attempt=number,
            pid=self.pid,
            create_time=START + self.now,
            command=("python",),
            overrides={c.key: c.after for c in changes},
            changes=tuple(changes),
            **fields,
        )

    def pulse(self, phase: str, iteration: int = 0) -> Script:
        return self.add(
            HeartbeatRead,
            rank=0,
            pid=self.pid,
            phase=phase,
            beats=len(self.events),
            epoch=0,
            begun=0,
            iteration=iteration,
            batch=iteration,
            batches=10,
            max_epochs=2,
            max_iterations=20,
        )

    def train(self, epoch: int, iteration: int, total: int = 10, **metrics: float) -> Script:
        self.now += 5.0
        values = {"lr": 0.02, "time": 0.5, "data_time": 0.1, "grad_norm": 8.0, **metrics}
        self.pulse("train-step", (epoch - 1) * total + iteration)
        self.machine()
        return self.add(
            IterationLogged,
            mode="train",
            epoch=epoch,
            iteration=iteration,
            total=total,
            metrics=values,
        )

    def epoch(self, number: int, macl: float, total: int = 10) -> Script:
        for iteration in range(2, total + 1, 2):
            self.train(number, iteration, total, loss_macl=macl - 0.01 * iteration, loss=1.2)
        self.now += 3.0
        self.pulse("val-step", number * total)
        return self

    def evaluate(self, epoch: int, value: float) -> Script:
        self.now += 2.0
        return self.add(
            EvaluationLogged,
            mode="val",
            epoch=epoch,
            iteration=10,
            total=10,
            metrics={"pascal_voc/mAP": value, "time": 0.1},
        )

    def machine(self, rss: int = GIB) -> Script:
        gpu = GpuSample(
            index=0, name="Card", used=6 * GIB, total=24 * GIB, tree=5 * GIB, utilisation=90
        )
        self.add(GpusSampled, gpus=(gpu,))
        self.add(HostSampled, memory_total=64 * GIB, memory_available=40 * GIB)
        return self.add(
            ProcessesSampled,
            processes=(self.process("main", 0, 1, rss), self.process("worker", 10, self.pid)),
        )

    def process(self, role: str, offset: int, ppid: int, rss: int = GIB) -> ProcessSample:
        return ProcessSample(
            pid=self.pid + offset,
            create_time=START,
            ppid=ppid,
            role=role,
            status="sleeping",
            cpu_s=self.now,
            io_bytes=0,
            rss=rss,
            threads=2,
            wchan="futex_wait_queue",
            command="python train.py",
        )

    def stall(self, code: str = "DW111", name: str = "loader-deadlock") -> Script:
        """Silence, a look at the processes, the cause and the stall."""
        self.now += 300.0
        self.machine()
        self.now += 1.0
        self.machine()
        frames = (
            Frame(function="__getitem__", file="/data/set.py", line=7, sample=17),
            Frame(function="fetch", file="/torch/fetch.py", line=54),
        )
        stack = ThreadStack(pid=self.pid + 10, thread="MainThread", active=False, frames=frames)
        self.add(StacksCaptured, stacks=(stack,), path="attempt-0/stacks/stacks-001.json")
        self.found(code, name)
        return self.found("DW102", "stalled-training")

    def found(
        self, code: str, name: str, text: str = "seen so", severity: Severity = Severity.ERROR
    ) -> Script:
        finding = Finding(
            code=code,
            name=name,
            severity=severity,
            confidence=0.9,
            evidence=(Evidence(text=text, source="py-spy", wall=START + self.now),),
            remedy="num_workers=0",
            attempt=self.attempt,
            rank=None,
            pid=self.pid,
        )
        return self.add(FindingRaised, finding=finding)

    def decide(self, action: str, **fields: object) -> Script:
        return self.add(Decided, action=action, reason="because", **fields)

    def cure(self, iteration: int) -> Script:
        self.now += 1.0
        return self.add(
            CommandAnswered, rank=0, number=1, order="replace", done=True, iteration=iteration
        )

    def end(self, code: int | None = 0, signal: str | None = None) -> Script:
        self.now += 1.0
        return self.add(AttemptEnded, attempt=self.attempt, exit_code=code, signal=signal)

    def over(self, outcome: str = "completed", code: int = 0, reason: str = "the end") -> Script:
        return self.add(RunEnded, outcome=outcome, exit_code=code, reason=reason)


@pytest.fixture
def script() -> Callable[[], Script]:
    return Script


@pytest.fixture
def three_attempts() -> Script:
    """Cured in place once, rerun twice, trained to the end."""
    fewer = Change(key="train_dataloader.num_workers", before=2, after=0, why="no worker can block")
    half = Change(key="train_dataloader.batch_size", before=4, after=2, why="less at once")
    s = Script().start().add(NotObserved, what="kernel", why="no permission")
    s.launch(0).pulse("building")
    s.now += 10.0
    s.epoch(1, 0.5).evaluate(1, 0.54)
    s.stall().decide("replace").cure(10)
    s.train(2, 2, loss_macl=0.3, loss=1.0)
    s.stall().decide("rerun", changes=(fewer,), step="no workers").end(-15, "SIGTERM")
    s.launch(1, (fewer,), resumed_from="epoch_1.pth").pulse("building")
    s.now += 10.0
    s.train(2, 2, loss_macl=0.31, loss=1.0).stall("DW112", "worker-stuck-in-dataset")
    s.decide("rerun", changes=(half,), step="half", stretch=2).end(None, "SIGKILL")
    s.launch(2, (fewer, half), resumed_from="epoch_1.pth").pulse("building")
    s.now += 10.0
    s.epoch(2, 0.4, total=20).evaluate(2, 0.57).end().over()
    return s


@pytest.fixture
def run_of(tmp_path: Path) -> Callable[..., Path]:
    """Writes events as the journal of a run and gives its work dir."""

    def write(events: Sequence[Event] | Script, name: str = "wd") -> Path:
        folder = tmp_path / name
        (folder / "dualwatch" / "attempt-0").mkdir(parents=True, exist_ok=True)
        journal = Journal(folder / "dualwatch" / "journal.jsonl")
        for event in events.events if isinstance(events, Script) else events:
            journal.append(event)
        journal.close()
        return folder

    return write
