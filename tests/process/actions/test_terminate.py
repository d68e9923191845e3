"""Ending real trees: nothing of them lives on, and nothing else is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from dualwatch.actions import terminate as stop
from dualwatch.actions.windows_job import Job
from dualwatch.collectors.processes.tree import ProcessTree, describe
from dualwatch.core import clock, process_identity

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="the processes are ended by signals of POSIX"
)
linux = pytest.mark.skipif(sys.platform != "linux", reason="what is read is in /proc")

DEADLINE = 60.0
"""Seconds after which a test gives up waiting; nothing is judged by it."""

Left = Callable[[], list[psutil.Process]]

# Prints its pid and those of its children once they are up. At SIGTERM they write a file and
# leave ("note") or do nothing ("ignore"); with "leave" the children have a session of their own.
TREE = """
import os, signal, sys
def on_term(what):
    if what == "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if what == "note":
        def note(*_):
            open("noted-%d" % os.getpid(), "w").close()
            os._exit(0)
        signal.signal(signal.SIGTERM, note)
def child(what, leave):
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        if leave:
            os.setsid()
        on_term(what)
        os.write(told, b"x")
        while True:
            signal.pause()
    os.read(ready, 1)
    return pid
main, worker, leave = sys.argv[1:]
pids = [child(worker, leave == "leave") for _ in range(2)]
on_term(main)
print(os.getpid(), *pids, flush=True)
while True:
    signal.pause()
"""

# At SIGTERM main starts another process that nobody has seen, in a session of its own, and dies.
HYDRA = """
import os, signal, subprocess, sys
def regrow(*_):
    ready, told = os.pipe()
    code = ("import os, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
            "os.write(int(sys.argv[1]), b'x'); signal.pause()")
    subprocess.Popen([sys.executable, "-c", code, str(told)], pass_fds=[told],
                     start_new_session=True)
    os.read(ready, 1)
    os._exit(0)
signal.signal(signal.SIGTERM, regrow)
print("up", flush=True)
while True:
    signal.pause()
"""

WAITING = "import sys; print('up', flush=True); sys.stdin.readline()"


def members(process: Any, marker: str) -> set[stop.Identity]:
    tree = ProcessTree(process.pid, None, marker)
    sample = tree.sample(*clock.now())
    return stop.identities(sample.processes) | set(tree.sweep())


def noted(folder: Path) -> set[int]:
    return {int(path.name.removeprefix("noted-")) for path in folder.glob("noted-*")}


@pytest.mark.parametrize("session", ["stay", "leave"])
def test_a_tree_that_obeys_has_its_grace(
    start: Any, marker: str, left: Left, tmp_path: Path, session: str
) -> None:
    process = start(TREE, "note", "note", session)

    assert stop.stop(members(process, marker), grace=DEADLINE) == []

    assert left() == []
    assert noted(tmp_path) == {int(pid) for pid in process.hello.split()}


def test_whoever_ignores_the_wish_is_killed(start: Any, marker: str, left: Left) -> None:
    process = start(TREE, "ignore", "ignore", "stay")

    assert stop.stop(members(process, marker), grace=0.0) == []

    assert left() == []
    assert process.wait(DEADLINE) == -signal.SIGKILL


def test_a_second_wish_of_the_user_ends_the_grace(start: Any, marker: str, left: Left) -> None:
    process = start(TREE, "ignore", "ignore", "stay")

    assert stop.stop(members(process, marker), grace=3600.0, hurry=lambda: True) == []

    assert left() == []


def test_stopped_processes_see_the_wish(
    start: Any, marker: str, left: Left, tmp_path: Path
) -> None:
    process = start(TREE, "note", "note", "stay")
    pids = [int(pid) for pid in process.hello.split()]
    tree = members(process, marker)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
            pass  # A signal is delivered when the process is next looked at by the kernel.

    assert stop.stop(tree, grace=DEADLINE) == []

    assert noted(tmp_path) == set(pids)
    assert left() == []


def test_what_main_starts_on_its_way_out_is_ended_too(start: Any, marker: str, left: Left) -> None:
    process = start(HYDRA)
    tree = ProcessTree(process.pid, None, marker)
    known = {(process.pid, process_identity.created(psutil.Process(process.pid)))}

    def look() -> set[stop.Identity]:
        sample = tree.sample(*clock.now())
        return stop.identities(sample.processes) | set(tree.sweep())

    assert stop.stop(known, grace=1.0, look=look) == []

    assert process.wait(DEADLINE) == 0
    assert left() == []


def test_a_pid_that_was_given_anew_is_not_signalled(start: Any) -> None:
    stranger = start(WAITING)
    created = process_identity.created(psutil.Process(stranger.pid))

    assert stop.stop({(stranger.pid, created - 1.0)}, grace=0.0) == []

    assert stranger.poll() is None


def test_neighbours_are_not_touched(start: Any, marker: str, left: Left) -> None:
    neighbour = start(WAITING, DUALWATCH_MARKER="another")
    process = start(TREE, "ignore", "note", "leave")

    stop.stop(members(process, marker), grace=0.0)

    assert left() == []
    assert neighbour.poll() is None


def test_a_zombie_counts_as_dead_and_keeps_its_status_for_its_parent(start: Any) -> None:
    process = start(WAITING)
    tree = {(process.pid, process_identity.created(psutil.Process(process.pid)))}
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert stop.stop(tree, grace=DEADLINE) == []

    assert process.wait(DEADLINE) == -signal.SIGKILL


@linux
def test_a_clock_that_was_set_hides_nobody(
    start: Any, marker: str, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(TREE, "ignore", "ignore", "stay")
    tree = members(process, marker)
    # psutil works out every create time from the boot time that the kernel tells at the moment.
    before = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: before - 3600.0)
    created = psutil.Process(process.pid).create_time()
    assert abs(created - dict(tree)[process.pid]) > 3000

    assert stop.stop(tree, grace=0.0) == []

    assert left() == []


def test_a_job_object_ends_what_no_list_shows(start: Any) -> None:
    process = start(WAITING)
    calls: list[str] = []

    class Scripted:
        def terminate(self, job: int, exit_code: int) -> int:
            calls.append("terminate")
            process.kill()
            return 1

        def close(self, handle: int) -> int:
            calls.append("close")
            return 1

    stop.stop(set(), grace=DEADLINE, job=Job(7, Scripted()))  # type: ignore[arg-type]

    assert calls == ["terminate", "close"]


def test_survivors_are_described_by_what_they_do(start: Any) -> None:
    sleeper = start(WAITING)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(DEADLINE)

    words = describe([sleeper.pid, gone.pid])

    first, second = words.split(", ")
    assert first.startswith(f"pid {sleeper.pid} (sleeping")
    assert second == f"pid {gone.pid} (gone)"
