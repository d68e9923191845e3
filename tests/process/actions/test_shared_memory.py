"""Shared memory of real trainings that were killed together with their helpers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from dualwatch.actions import shared_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/shm")

# multiprocessing's semaphores with a started worker; prints their names.
SEMAPHORES = """
import multiprocessing, sys
def work(lock, connection):
    connection.send("up")
    connection.recv()
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    lock = context.Lock()
    ours, theirs = context.Pipe()
    context.Process(target=work, args=(lock, theirs), daemon=True).start()
    ours.recv()
    # A forked one has no name any more.
    print("/dev/shm/sem." + (lock._semlock.name or "/none").lstrip("/"), flush=True)
    sys.stdin.readline()
"""

# One tensor in a file of /dev/shm, and torch's helper that would unlink it.
TENSORS = """
import sys
import torch, torch.multiprocessing as multiprocessing
if __name__ == "__main__":
    multiprocessing.set_sharing_strategy("file_system")
    tensor = torch.zeros(100_000)
    tensor.share_memory_()
    print("up", flush=True)
    sys.stdin.readline()
"""

HOLDING = """
import sys
kept = open(sys.argv[1], "rb")
print("held", flush=True)
sys.stdin.readline()
"""

Left = Callable[[], list[psutil.Process]]


@pytest.fixture
def script(start: Any, tmp_path: Path) -> Callable[..., Any]:
    """Starts code from a file, as spawn wants it."""

    def run(code: str, *arguments: str) -> Any:
        path = tmp_path / "training.py"
        path.write_text(code, encoding="utf-8")
        return start(
            "import os, sys; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])",
            str(path),
            *arguments,
        )

    return run


def kill_at_once(processes: list[psutil.Process]) -> None:
    """SIGKILL for all before any can clean up after another."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=60.0)


def test_semaphores_of_spawn_stay_behind_a_killed_training_and_are_removed(
    script: Any, left: Left
) -> None:
    training = script(SEMAPHORES, "spawn")
    path = Path(training.hello)
    held = shared_memory.seen(process.pid for process in left())
    assert path in {one.path for one in held}

    assert shared_memory.clean(held) == []  # It lives, and so does what it holds.
    assert path.exists()
    kill_at_once(left())
    assert path.exists()

    assert path in shared_memory.clean(held)
    assert not path.exists()
    assert shared_memory.clean(held) == []


def test_forked_workers_leave_no_semaphore(script: Any, left: Left) -> None:
    training = script(SEMAPHORES, "fork")
    assert Path(training.hello).name == "sem.none"

    assert shared_memory.seen(process.pid for process in left()) == set()


def test_tensors_in_transit_are_removed(script: Any, left: Left) -> None:
    pytest.importorskip("torch")
    script(TENSORS)
    pids = [process.pid for process in left()]
    held = shared_memory.seen(pids)
    assert [one.path.name.startswith("torch_") for one in held] == [True]

    kill_at_once(left())

    assert shared_memory.clean(held) == [one.path for one in held]


def test_what_another_process_holds_stays(script: Any, start: Any, left: Left) -> None:
    training = script(SEMAPHORES, "spawn")
    path = Path(training.hello)
    held = shared_memory.seen(process.pid for process in left())
    neighbour = start(HOLDING, str(path), DUALWATCH_MARKER="another")

    kill_at_once(left())

    assert path not in shared_memory.clean(held)
    assert path.exists()
    neighbour.kill()
    neighbour.wait()
    assert path in shared_memory.clean(held)


def test_a_name_that_was_given_anew_is_somebody_elses(start: Any, tmp_path: Path) -> None:
    path = tmp_path / "sem.mp-abcdefgh"
    path.write_bytes(b"old")
    holder = start(HOLDING, str(path))
    held = shared_memory.seen([holder.pid], tmp_path)
    assert {one.path for one in held} == {path}
    holder.kill()
    holder.wait()
    new = tmp_path / "new"
    new.write_bytes(b"new")
    os.replace(new, path)

    assert shared_memory.clean(held, tmp_path) == []
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("name", ["sem.users", "torch_tensors", "psm_1234abcd", "sem.mp-a b"])
def test_other_names_are_never_touched(start: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"kept")
    holder = start(HOLDING, str(path))

    assert shared_memory.seen([holder.pid], tmp_path) == set()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="gives a file away")
def test_files_of_another_user_are_never_touched(start: Any, tmp_path: Path) -> None:
    path = tmp_path / "sem.mp-abcdefgh"
    path.write_bytes(b"kept")
    os.chown(path, 12345, 12345)
    holder = start(HOLDING, str(path))

    assert shared_memory.seen([holder.pid], tmp_path) == set()


def test_a_link_is_not_followed(start: Any, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"kept")
    (tmp_path / "sem.mp-abcdefgh").symlink_to(target)
    holder = start(HOLDING, str(target))

    assert shared_memory.seen([holder.pid], tmp_path) == set()
