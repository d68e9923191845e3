"""Real trainings, hung or healthy, ours or not, and ``dualwatch diagnose`` on them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.paths import TRAININGS

DEADLINE = 120.0
"""Seconds after which a test gives up waiting; nothing is judged by it."""

SUSPECT = "3"
"""Seconds of silence that make a suspect here, so that no test has to wait for twenty."""


@dataclass
class Started:
    """A training that was started, supervised or not."""

    process: subprocess.Popen[bytes]
    work_dir: Path

    def log(self) -> str:
        """What mmengine has logged so far."""
        return "".join(path.read_text() for path in self.work_dir.glob("*/*.log"))

    def wait_until_logged(self, text: str) -> None:
        """The handshake: the training has come so far."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.log():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{text!r} was never logged: {self.log()[-500:]}")
            time.sleep(0.05)


@dataclass(frozen=True)
class Diagnosis:
    """What ``dualwatch diagnose --json`` said."""

    code: int
    document: dict[str, Any]
    err: str

    @property
    def codes(self) -> list[str]:
        return [cause["code"] for cause in self.document["causes"]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Starts the tiny training in ``tmp_path``; ``supervised`` under ``dualwatch train``."""
    pytest.importorskip("mmengine")
    started: list[Started] = []

    def begin(
        *words: str, supervised: bool = False, work_dir: str = "wd", **options: Any
    ) -> Started:
        place = tmp_path / work_dir
        script, config = str(TRAININGS / "tiny.py"), str(TRAININGS / "tiny_cfg.py")
        command = [sys.executable, script, config]
        if supervised:
            command = [sys.executable, "-m", "dualwatch", "train", config, "--script", script]
            command += ["--no-tensorboard"]
        command += ["--work-dir", str(place)]
        if options:
            pairs = [f"{key.replace('__', '.')}={value}" for key, value in options.items()]
            command += ["--cfg-options", *pairs]
        with (tmp_path / f"{work_dir}.out").open("wb") as out:
            process = subprocess.Popen(
                [*command, *words],
                cwd=tmp_path,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started.append(Started(process, place))
        return started[-1]

    yield begin
    for training in started:
        _end(training)


def _end(training: Started) -> None:
    """Ends what a test started: its tree, and a supervised training by its environment."""
    place = str(training.work_dir)
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(training.process.pid).children(recursive=True)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("DUALWATCH_ATTEMPT_DIR", "").startswith(place):
                family.append(process)
    if training.process.poll() is None:
        training.process.kill()
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.kill()
    training.process.wait(DEADLINE)


@pytest.fixture
def diagnose(tmp_path: Path) -> Callable[..., Diagnosis]:
    """Runs ``dualwatch diagnose --json`` without a bundle."""

    def ask(*words: object) -> Diagnosis:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "dualwatch",
                "diagnose",
                "--json",
                "--no-bundle",
                *map(str, words),
            ],
            cwd=tmp_path,
            env={**os.environ, "DUALWATCH_STALL_TIMEOUT": SUSPECT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        err = done.stderr.decode("utf-8", "replace")
        assert "Traceback" not in err, err
        return Diagnosis(done.returncode, json.loads(done.stdout or b"{}"), err)

    return ask


@pytest.fixture
def until(diagnose: Callable[..., Diagnosis]) -> Callable[..., Diagnosis]:
    """Asks until a cause is named: when a process has come to rest is known by nobody else."""

    def ask(*words: object) -> Diagnosis:
        deadline = time.monotonic() + DEADLINE
        while not (said := diagnose(*words)).codes:
            assert time.monotonic() < deadline, said.document
        return said

    return ask


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., tuple[str, Path | None]]:
    """Runs ``dualwatch diagnose`` for people; gives what it printed and the archive."""

    def ask(*words: object, **environ: str) -> tuple[str, Path | None]:
        before = set(tmp_path.rglob("*.zip"))
        done = subprocess.run(
            [sys.executable, "-m", "dualwatch", "diagnose", *map(str, words)],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "80", "DUALWATCH_STALL_TIMEOUT": SUSPECT, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        err = done.stderr.decode("utf-8", "replace")
        assert "Traceback" not in err, err
        new = set(tmp_path.rglob("*.zip")) - before
        return done.stdout.decode("utf-8"), next(iter(new), None)

    return ask
