"""Windows: a tree is asked to end by Ctrl-Break in its own console, then ended by its job."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from dualwatch.actions import launch, terminate
from dualwatch.collectors.processes.tree import ProcessTree
from dualwatch.core import clock

from tests.support.systems import WINE

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="elsewhere there is SIGTERM")

DEADLINE = 60.0

on_wine = pytest.mark.skipif(WINE, reason="Wine's Ctrl-Break runs no handlers")

# At Ctrl-Break it writes a file and leaves ("note"), or does nothing ("ignore"). Its child, which
# takes part, prints that it is up.
TREE = """
import ctypes, os, subprocess, sys, threading
how = sys.argv[1]
@ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)
def handler(event):
    if how == "note":
        open("noted-%d" % os.getpid(), "w").close()
        os._exit(7)
    return how == "ignore"
ctypes.WinDLL("kernel32").SetConsoleCtrlHandler(handler, 1)
if len(sys.argv) == 2:
    child = subprocess.Popen([sys.executable, "-c", open(__file__).read(), how, "child"])
else:
    print("up", flush=True)
forever = threading.Event()
while True:
    forever.wait(0.1)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def started(folder: Path) -> Iterator[list[launch.Launched]]:
    all_of_them: list[launch.Launched] = []
    yield all_of_them
    for one in all_of_them:
        if one.job is not None:
            one.job.end()
            one.job.close()


def tree(folder: Path, started: list[launch.Launched], how: str) -> launch.Launched:
    script = folder / "tree.py"
    script.write_text(TREE, encoding="utf-8")
    training = launch.launch([sys.executable, str(script), how], folder, "m", base=os.environ)
    started.append(training)
    while b"up" not in (folder / "console.log").read_bytes():
        assert not training.is_over()
    return training


def members(training: launch.Launched) -> set[terminate.Identity]:
    sample = ProcessTree(training.pid, training.create_time).sample(*clock.now())
    return terminate.identities(sample.processes)


def stopped(training: launch.Launched, grace: float) -> set[terminate.Identity]:
    """Stops it; returns its two processes; the console has one of its own."""
    found = members(training)
    pythons = {one for one in found if "python" in psutil.Process(one[0]).name().lower()}
    assert len(pythons) == 2
    assert terminate.stop(found, grace=grace, job=training.job) == []
    assert terminate.alive(found) == []
    return pythons


@on_wine
def test_a_tree_that_handles_ctrl_break_has_its_grace(folder, started) -> None:
    training = tree(folder, started, "note")

    pids = {pid for pid, _ in stopped(training, DEADLINE)}

    assert {int(path.name.removeprefix("noted-")) for path in folder.glob("noted-*")} == pids
    assert training.exit_code() == 7


def test_a_tree_that_does_not_handle_it_ends_at_once(folder, started) -> None:
    training = tree(folder, started, "default")

    begun = time.monotonic()
    stopped(training, 10 * DEADLINE)

    # The grace was not used up.
    assert time.monotonic() - begun < 10 * DEADLINE
    assert training.exit_code() not in (None, 0)


@on_wine
def test_a_tree_that_ignores_it_is_ended_by_its_job(folder, started) -> None:
    training = tree(folder, started, "ignore")

    stopped(training, 1.0)

    assert training.exit_code() == 1


def test_nothing_is_pressed_in_a_console_that_others_share(folder) -> None:
    code = "import sys; print('up', flush=True); sys.stdin.readline()"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    one, other = processes
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == b"up"
        identity = (one.pid, psutil.Process(one.pid).create_time())

        assert terminate.stop({identity}, grace=DEADLINE) == []

        assert other.poll() is None
    finally:
        for process in processes:
            process.kill()
            process.communicate()
