"""What a killed tree leaves in shared memory: its own is removed, nobody else's is."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from dualwatch.act import leftovers

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's /dev/shm")

SPAWNS = """
import multiprocessing, sys
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    locks = [context.Lock() for _ in range(3)]
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds spawned semaphores; a session of its own, so that all of it can go."""
    script = tmp_path / "spawns.py"
    script.write_text(SPAWNS)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def tree(process: subprocess.Popen[bytes]) -> list[int]:
    children = psutil.Process(process.pid).children(recursive=True)
    return [process.pid, *(child.pid for child in children)]


def test_what_it_held_is_removed_once_nobody_holds_it(holder) -> None:
    held = leftovers.seen(tree(holder))
    assert len(held) >= 3
    assert leftovers.clean(held) == [], "as long as it lives they are its own"

    os.killpg(holder.pid, signal.SIGKILL)
    holder.wait()

    removed = leftovers.clean(held)
    assert set(removed) == {one.path for one in held}
    assert not any(path.exists() for path in removed)
    assert leftovers.clean(held) == []


def test_files_of_others_are_not_looked_at(holder) -> None:
    theirs = {one.path for one in leftovers.seen(tree(holder))}
    assert leftovers.seen([os.getpid()]).isdisjoint(theirs)
    assert all(path.name.startswith(("sem.mp-", "torch_")) for path in theirs)
