"""Whether a training without a supervisor still lives, by its journal and by its processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from dualwatch.agent.heartbeat import HeartbeatWriter as Heart
from dualwatch.collectors.processes import live_attempt
from dualwatch.collectors.processes.live_attempt import newest_attempt
from dualwatch.core import process_identity
from dualwatch.events import AttemptEnded, AttemptStarted, Event
from dualwatch.events.journal import Journal
from dualwatch.protocol import Phase

WAITING = "import sys; print('up', flush=True); sys.stdin.readline()"


def started(pid: int, create_time: float, attempt: int = 0) -> AttemptStarted:
    return AttemptStarted(
        at=1.0,
        wall=2.0,
        attempt=attempt,
        pid=pid,
        create_time=create_time,
        command=("python", "train.py"),
        overrides={},
    )


def ended(attempt: int = 0) -> AttemptEnded:
    return AttemptEnded(at=3.0, wall=4.0, attempt=attempt, exit_code=0, signal=None)


def living_attempt(folder: Path) -> AttemptStarted | None:
    newest = newest_attempt(folder)
    return live_attempt.living_attempt(folder, newest.started) if newest.ended is None else None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "wd" / "dualwatch"
    path.mkdir(parents=True)
    return path


def write(folder: Path, *events: Event) -> None:
    journal = Journal(folder / "journal.jsonl")
    for event in events:
        journal.append(event)
    journal.close()


def created(process: Any) -> float:
    return process_identity.created(psutil.Process(process.pid))


def test_a_new_work_dir_has_none(folder: Path) -> None:
    assert living_attempt(folder) is None


def test_the_main_process_by_pid_and_create_time(spawn: Any, folder: Path) -> None:
    training = spawn(WAITING)
    write(folder, started(1, 1.0), ended(), started(training.pid, created(training), 1))

    found = living_attempt(folder)

    assert found is not None
    assert (found.pid, found.attempt, found.command) == (training.pid, 1, ("python", "train.py"))


def test_another_process_with_that_pid_is_not_it(spawn: Any, folder: Path) -> None:
    stranger = spawn(WAITING)
    write(folder, started(stranger.pid, created(stranger) - 60.0))

    assert living_attempt(folder) is None


def test_an_attempt_that_has_ended_leaves_orphans_at_most(spawn: Any, folder: Path) -> None:
    orphan = spawn(WAITING, DUALWATCH_ATTEMPT_DIR=str(folder / "attempt-0"))
    write(folder, started(orphan.pid, created(orphan)), ended())

    assert living_attempt(folder) is None


def test_a_rank_whose_launcher_is_gone(spawn: Any, folder: Path) -> None:
    rank = spawn(WAITING, DUALWATCH_ATTEMPT_DIR=str(folder / "attempt-0"))
    write(folder, started(2**22 + 7, 1.0))

    found = living_attempt(folder)

    assert found is not None
    assert found.pid == rank.pid
    assert found.create_time == created(rank)


@pytest.mark.parametrize("worker_alone", [True, False])
def test_a_worker_is_no_training(spawn: Any, folder: Path, worker_alone: bool) -> None:
    (attempt := folder / "attempt-0").mkdir()
    place = {"DUALWATCH_ATTEMPT_DIR": str(attempt)}
    write(folder, started(2**22 + 7, 1.0))
    spawn(WAITING, **place)
    rank = spawn(WAITING, **place)
    heart = Heart(str(attempt), 0)
    heart._pid = 2**22 + 8 if worker_alone else rank.pid
    heart.beat(Phase.WAITING)

    found = living_attempt(folder)

    assert (found and found.pid) == (None if worker_alone else rank.pid)


def test_a_process_of_another_work_dir_is_none(spawn: Any, folder: Path, tmp_path: Path) -> None:
    spawn(WAITING, DUALWATCH_ATTEMPT_DIR=str(tmp_path / "other" / "dualwatch" / "attempt-0"))
    write(folder, started(2**22 + 7, 1.0))

    assert living_attempt(folder) is None


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links")
def test_a_work_dir_by_another_name(spawn: Any, folder: Path, tmp_path: Path) -> None:
    spawn(WAITING, DUALWATCH_ATTEMPT_DIR=str(folder / "attempt-0"))
    write(folder, started(2**22 + 7, 1.0))
    link = tmp_path / "link"
    link.symlink_to(folder.parent)

    assert living_attempt(link / "dualwatch") is not None


def test_a_cut_last_line(spawn: Any, folder: Path) -> None:
    training = spawn(WAITING)
    write(folder, started(training.pid, created(training)), started(1, 1.0, 1))
    path = folder / "journal.jsonl"
    os.truncate(path, path.stat().st_size - 20)

    found = living_attempt(folder)

    assert found is not None
    assert found.pid == training.pid


@pytest.mark.parametrize("content", [None, b"", b'{"kind": "attempt-sta'])
def test_a_training_that_no_journal_tells_of(
    spawn: Any, folder: Path, content: bytes | None
) -> None:
    if content is not None:
        (folder / "journal.jsonl").write_bytes(content)
    training = spawn(WAITING, DUALWATCH_ATTEMPT_DIR=str(folder / "attempt-3"))

    found = living_attempt(folder)

    assert found is not None
    assert (found.pid, found.attempt) == (training.pid, 3)
    assert found.command[0] == sys.executable


def test_a_dead_one_that_nobody_has_buried(spawn: Any, folder: Path) -> None:
    training = spawn(WAITING, DUALWATCH_ATTEMPT_DIR=str(folder / "attempt-0"))
    write(folder, started(training.pid, created(training)))
    training.kill()
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, training.pid, os.WEXITED | os.WNOWAIT)

    assert living_attempt(folder) is None
