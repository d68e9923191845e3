"""Real trainings under the real command, in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.paths import TRAININGS

DEADLINE = 120.0
"""Seconds after which a test gives up waiting; nothing is judged by it."""

SPEED = ("DW208", "DW209")
"""True of a tiny training on a crowded machine, and no matter of these tests."""


@dataclass
class Run:
    """One ``dualwatch train``, its folder and what it wrote."""

    process: subprocess.Popen[str]
    work_dir: Path
    out: str = ""
    err: str = ""
    root: str = ""
    """Where its files are seen from here, if it has mounts of its own."""
    _seen: int = field(default=0)

    @property
    def folder(self) -> Path:
        return Path(f"{self.root}{self.work_dir}") / "dualwatch"

    def finish(self, deadline: float = DEADLINE) -> int:
        """Waits for the end and returns the exit code."""
        self.out, self.err = self.process.communicate(timeout=deadline)
        return self.process.returncode

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads((self.folder / "summary.json").read_text(encoding="utf-8"))

    def codes(self, attempt: int) -> list[str]:
        """Finding codes of an attempt; info and what this machine's speed brings are left out."""
        findings = self.summary["attempts"][attempt]["findings"]
        return [f["code"] for f in findings if f["severity"] != "info" and f["code"] not in SPEED]

    def events(self) -> list[dict[str, Any]]:
        path = self.folder / "journal.jsonl"
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Waits until the journal holds an event: the handshake with a run in progress."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            for event in self.events():
                if wanted(event):
                    return event
            if self.process.poll() is not None:
                pytest.fail(f"the run ended without it: {self.process.communicate()}")
            time.sleep(0.05)
        raise TimeoutError("the event never came")

    def iterating(self) -> dict[str, Any]:
        """Waits until the training does iterations; returns how it was started."""
        self.wait_for(lambda event: event["kind"] == "pulse" and event["iteration"] > 0)
        return self.wait_for(lambda event: event["kind"] == "attempt-started")

    def left_alive(self) -> list[psutil.Process]:
        """Processes of any attempt that still run, told by their environment."""
        place = f"{self.work_dir / 'dualwatch'}{os.sep}attempt-"
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                own = process.environ().get("DUALWATCH_ATTEMPT_DIR", "")
                if own.startswith(place) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


def kill_all(run: Run) -> None:
    """Ends what a test left: ours by its pid, the training's by its environment."""
    if run.process.poll() is None:
        run.process.kill()
    for process in run.left_alive():
        with contextlib.suppress(psutil.Error):
            process.kill()
    with contextlib.suppress(ValueError):
        run.process.communicate(timeout=DEADLINE)


@pytest.fixture
def train(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Starts ``dualwatch train`` on the tiny training.

    Keyword arguments with dots as double underscores become ``--cfg-options``:
    ``train(model__fail_at=3)``.
    """
    pytest.importorskip("mmengine")
    pytest.importorskip("torch")
    runs: list[Run] = []

    def start(
        *words: str,
        script: str | None = "tiny.py",
        config: str = "tiny_cfg.py",
        work_dir: str = "wd",
        environment: dict[str, str] | None = None,
        python: tuple[str, ...] = (sys.executable,),
        **options: Any,
    ) -> Run:
        command = [*python, "-m", "dualwatch", "train", str(TRAININGS / config)]
        if script is not None:
            command += ["--script", str(TRAININGS / script)]
        command += ["--work-dir", str(tmp_path / work_dir)]
        if "--tensorboard" not in words:
            command += ["--no-tensorboard"]
        if options:
            pairs = [f"{key.replace('__', '.')}={value}" for key, value in options.items()]
            command += ["--cfg-options", *pairs]
        process = subprocess.Popen(
            [*command, *words],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        run = Run(process, tmp_path / work_dir)
        runs.append(run)
        return run

    yield start
    for run in runs:
        kill_all(run)


@pytest.fixture
def interrupt() -> Callable[[Run, signal.Signals], None]:
    """Sends a signal to dualwatch alone, as a terminal or a job system would."""

    def send(run: Run, number: signal.Signals) -> None:
        run.process.send_signal(number)

    return send
