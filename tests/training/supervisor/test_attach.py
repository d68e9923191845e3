"""``dualwatch attach``: a training whose supervisor is gone, and one that never had any."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.paths import TRAININGS

DEADLINE = 120.0
STALL = ("--stall-timeout", "3s")
HANGS = {"train_dataloader__dataset__hang_at": 18}


def attach(*words: object, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dualwatch", "attach", *map(str, words)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )


@pytest.fixture
def orphaned(train) -> Callable[..., Any]:
    """A supervised training that iterates, and whose supervisor was killed."""

    def make(*words: str, **options: Any) -> Any:
        run = train(*words, **options)
        run.iterating()
        run.process.kill()
        run.process.communicate()
        return run

    return make


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """A training that never knew dualwatch; its log has a training line."""
    pytest.importorskip("mmengine")
    started: list[subprocess.Popen[bytes]] = []

    def make(**options: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(TRAININGS / "tiny.py"), str(TRAININGS / "tiny_cfg.py")]
        command += ["--work-dir", str(tmp_path / "wd"), "--cfg-options", "resume=False"]
        command += [f"{key.replace('__', '.')}={value}" for key, value in options.items()]
        with open(tmp_path / "console", "wb") as console:
            process = subprocess.Popen(
                command,
                cwd=tmp_path,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        started.append(process)
        deadline = time.monotonic() + DEADLINE
        while not any("Epoch(train)" in p.read_text() for p in (tmp_path / "wd").rglob("*.log")):
            assert process.poll() is None, (tmp_path / "console").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return process

    yield make
    for process in started:
        tree = (
            psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        )
        process.kill()
        process.wait()
        for child in tree:
            child.kill()


def test_it_takes_up_where_the_supervisor_left_off(orphaned, tmp_path):
    run = orphaned(model__pause=0.3)

    watching = attach(run.work_dir, cwd=tmp_path)
    out, err = watching.communicate(timeout=DEADLINE)

    assert watching.returncode == 0, err
    assert "attached to attempt 0" in err
    assert "completed: trained to the end" in out
    (attempt,) = run.summary["attempts"]
    assert (attempt["first_iteration"], attempt["last_iteration"]) == (1, 24)
    # One journal tells it all, and no line of the training twice.
    kinds = [event["kind"] for event in run.events()]
    assert (kinds.count("run-started"), kinds.count("attempt-started")) == (1, 1)
    lines = [f for f in run.events() if f["kind"] == "iteration-logged" and f["mode"] == "train"]
    assert [(line["epoch"], line["iteration"]) for line in lines] == [
        (epoch, iteration) for epoch in (1, 2, 3) for iteration in (2, 4, 6, 8)
    ]
    assert run.left_alive() == []


def test_a_stall_is_cured_when_it_is_told_to(orphaned, tmp_path):
    run = orphaned(*STALL, **HANGS)

    watching = attach(run.work_dir, "--on-stall", "rerun", cwd=tmp_path)
    _, err = watching.communicate(timeout=DEADLINE)

    assert watching.returncode == 0, err
    (attempt,) = run.summary["attempts"]
    assert (attempt["rescued"], attempt["last_iteration"]) == (1, 24)


def test_it_knows_what_was_tried_before(train, tmp_path):
    run = train(*STALL, train_dataloader__dataset__hang_in="any", **HANGS)
    run.wait_for(lambda event: event["kind"] == "attempt-started" and event["attempt"] == 1)
    run.process.kill()
    run.process.communicate()

    watching = attach(run.work_dir, "--on-stall", "rerun", cwd=tmp_path)
    out, err = watching.communicate(timeout=DEADLINE)

    # The one rerun that this cause is owed was used up before.
    assert watching.returncode == 4, err
    assert "after 1 rerun" in err
    first, second = run.summary["attempts"]
    assert first["rescued"] == 1
    assert second["resumed_from"].endswith("rescue_iter_4.pth")
    assert "gave-up" in out
    assert run.left_alive() == []


def test_ctrl_c_ends_the_watching_and_not_the_training(orphaned, tmp_path):
    run = orphaned(*STALL, **HANGS)
    (started,) = [event for event in run.events() if event["kind"] == "attempt-started"]

    watching = attach(run.work_dir, cwd=tmp_path)
    deadline = time.monotonic() + DEADLINE
    while not any(event["kind"] == "decided" for event in run.events()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=DEADLINE)

    assert watching.returncode == 130
    assert "DW111" in err
    assert "the training continues" in err
    assert psutil.pid_exists(started["pid"])


def test_a_watched_run_is_not_watched_twice(train, tmp_path):
    run = train(model__pause=0.3)
    run.iterating()

    watching = attach(run.work_dir, cwd=tmp_path)
    _, err = watching.communicate(timeout=DEADLINE)

    assert watching.returncode == 2
    assert "already supervises" in err


@pytest.mark.parametrize("by", ["pid", "work dir"])
def test_a_stranger_is_watched_to_its_end(stranger, tmp_path, by):
    training = stranger(model__pause=0.3)

    watching = attach(training.pid if by == "pid" else tmp_path / "wd", cwd=tmp_path)
    _, err = watching.communicate(timeout=DEADLINE)

    assert watching.returncode == 0, err
    summary = json.loads((tmp_path / "wd" / "dualwatch" / "summary.json").read_text())
    assert summary["outcome"] == "completed"
    assert summary["attempts"][0]["last_iteration"] == 24
    assert summary["attempts"][0]["lost_iterations"] == 0


def test_a_stranger_that_hangs_is_rerun_when_it_is_told_to(stranger, tmp_path):
    training = stranger(**HANGS)

    watching = attach(training.pid, *STALL, "--on-stall", "rerun", cwd=tmp_path)
    _, err = watching.communicate(timeout=DEADLINE)

    assert watching.returncode == 0, err
    assert "a rerun would be:" in err
    assert "tiny_cfg.py" in err
    first, second = json.loads((tmp_path / "wd/dualwatch/summary.json").read_text())["attempts"]
    assert second["overrides"]["train_dataloader.num_workers"] == 0
    assert second["last_iteration"] == 48
    assert training.wait(timeout=DEADLINE) is not None
    assert first["findings"][0]["code"] == "DW111"


def test_nothing_to_attach_to(tmp_path):
    for words, code in (((), 3), ((tmp_path,), 3), ((4_000_000,), 2), (("no-such-place",), 2)):
        watching = attach(*words, cwd=tmp_path)
        _, err = watching.communicate(timeout=DEADLINE)
        assert (watching.returncode, "Traceback" in err) == (code, False), (words, err)
