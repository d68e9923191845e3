"""Sampling real process trees."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
from typing import Any

import psutil
import pytest
from dualwatch import protocol
from dualwatch.collectors.processes.tree import ProcessTree, sample_one
from dualwatch.core.proc import major_faults
from dualwatch.events import ProcessSample

from tests.support.systems import WINE

linux = pytest.mark.skipif(sys.platform != "linux", reason="what is read is in /proc")
posix = pytest.mark.skipif(os.name != "posix", reason="its training forks")

# Prints the pids of its children once they are up; leaves when its stdin is closed.
FORKING_MAIN = """
import os, signal, sys
children = []
for _ in range(int(sys.argv[1])):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, b"x")
        signal.pause()
    os.read(reader, 1)
    children.append(pid)
print(*children, flush=True)
sys.stdin.readline()
for pid in children:
    os.kill(pid, signal.SIGKILL)
print("killed", flush=True)
sys.stdin.readline()
"""

# Has 64 MiB, which its child shares until that writes to them; maps as much of a file.
HOLDING_MAIN = """
import mmap, os, sys
size = 64 << 20
block = bytearray(os.urandom(1 << 20) * 64)
with open(sys.argv[1], "wb") as file:
    file.write(block)
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
sum(mapped[::4096])
go, up, done = os.pipe(), os.pipe(), os.pipe()
if os.fork() == 0:
    os.close(go[1])  # So that it ends with its parent.
    os.write(up[1], b"x")
    os.read(go[0], 1)
    for place in range(0, size, 4096):
        block[place] = 1
    os.write(done[1], b"x")
    os.read(go[0], 1)
    os._exit(0)
os.read(up[0], 1)
print("forked", flush=True)
sys.stdin.readline()
os.write(go[1], b"x")
os.read(done[0], 1)
print("copied", flush=True)
sys.stdin.readline()
os.write(go[1], b"x")
"""

# A middle process starts a grandchild and dies at once.
ORPHANING_MAIN = """
import os, signal, sys
reader, writer = os.pipe()
middle = os.fork()
if middle == 0:
    child = os.fork()
    if child == 0:
        os.write(writer, str(os.getpid()).encode())
        signal.pause()
    signal.pause()
grandchild = int(os.read(reader, 20))
print(grandchild, flush=True)
sys.stdin.readline()
os.kill(middle, signal.SIGKILL)
os.waitpid(middle, 0)
print("orphaned", flush=True)
sys.stdin.readline()
"""

OPENING_MAIN = """
import os, sys
print("ready", flush=True)
kept = []
while sys.stdin.readline():
    kept += [open(os.devnull) for _ in range(30)]
    print("opened", flush=True)
"""

BUSY_MAIN = """
import os, sys
with open(os.devnull, "wb", buffering=0) as sink:
    print("ready", flush=True)
    while sys.stdin.readline():
        sum(range(2_000_000))
        for _ in range(64):
            sink.write(bytes(65536))
        print("done", flush=True)
"""

# Three processes that compute on one CPU, until each has had its share of it.
CROWDED_MAIN = """
import os, signal, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print("ready", flush=True)
sys.stdin.readline()
children = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        while True:
            pass
    children.append(pid)
end = time.process_time() + 0.3
while time.process_time() < end:
    pass
for pid in children:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
print("done", flush=True)
sys.stdin.readline()
"""

# Maps a file that the page cache does not hold, and looks at every page.
MAPPING_MAIN = """
import mmap, os, sys
with open(sys.argv[1], "w+b") as file:
    file.write(bytes(4 << 20))
    file.flush()
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    pages = mmap.mmap(file.fileno(), 0)
    pages.madvise(mmap.MADV_RANDOM)
    print("ready", flush=True)
    sys.stdin.readline()
    sum(pages[at] for at in range(0, len(pages), mmap.PAGESIZE))
    print("done", flush=True)
    sys.stdin.readline()
"""

SPAWNING_MAIN = """
import multiprocessing, os, sys
context = multiprocessing.get_context("spawn")
def work(pipe):
    print(os.getpid(), flush=True)
    pipe.recv()
if __name__ == "__main__":
    here, there = context.Pipe()
    process = context.Process(target=work, args=(there,), daemon=True)
    process.start()
    sys.stdin.readline()
    process.kill()
    process.join()
"""


def by_pid(tree: ProcessTree) -> dict[int, ProcessSample]:
    return {process.pid: process for process in tree.sample(1.0, 2.0).processes}


def ask(process: Any) -> str:
    process.stdin.write("\n")
    process.stdin.flush()
    return str(process.stdout.readline().strip())


def when(tree: ProcessTree, pid: int, status: str) -> ProcessSample:
    """The first sample that shows a status which the system is about to give."""
    samples = (by_pid(tree)[pid] for _ in range(10_000))
    return next(sample for sample in samples if sample.status == status)


def kill_and_wait(pid: int) -> None:
    """Ends a process that is not our child, and waits until it is gone."""
    process = psutil.Process(pid)
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([process], timeout=10)


@posix
def test_main_comes_first_and_forks_are_workers(spawn: Any) -> None:
    main = spawn(FORKING_MAIN, "2")
    workers = {int(pid) for pid in main.hello.split()}
    tree = ProcessTree(main.pid, psutil.Process(main.pid).create_time())
    sample = tree.sample(1.0, 2.0)
    assert (sample.at, sample.wall) == (1.0, 2.0)
    assert [process.role for process in sample.processes] == ["main", "worker", "worker"]
    assert {process.pid for process in sample.processes[1:]} == workers
    first = sample.processes[0]
    assert first.pid == main.pid
    assert sys.executable in first.command
    assert first.cpu_s is not None
    assert first.rss is not None
    assert first.threads == 1
    ask(main)


@linux
def test_a_sleeping_process_shows_where_and_a_killed_child_is_a_zombie(spawn: Any) -> None:
    main = spawn(FORKING_MAIN, "1")
    worker = int(main.hello)
    tree = ProcessTree(main.pid)
    assert when(tree, worker, "sleeping").threads == 1
    assert ask(main) == "killed"
    # Its parent never waits for it: a zombie as soon as the signal is delivered.
    dead = when(tree, worker, "zombie")
    assert (dead.rss, dead.io_bytes, dead.threads, dead.open_files) == (None, None, None, None)
    assert dead.role == "worker"


@linux
def test_cpu_and_io_grow_with_work_and_not_without(spawn: Any) -> None:
    main = spawn(BUSY_MAIN)
    tree = ProcessTree(main.pid)
    before = by_pid(tree)[main.pid]
    idle = by_pid(tree)[main.pid]
    for _ in range(3):
        assert ask(main) == "done"
    after = by_pid(tree)[main.pid]
    assert None not in (before.io_bytes, idle.io_bytes, after.io_bytes)
    assert idle.io_bytes - before.io_bytes < 4096  # its greeting may be counted late
    assert idle.cpu_s - before.cpu_s < 0.1
    # Page cache and /dev/null count: the process did it, whatever the device saw.
    assert after.io_bytes - before.io_bytes >= 3 * 64 * 65536
    assert after.cpu_s > before.cpu_s


@linux
def test_waiting_for_a_crowded_cpu_is_counted(spawn: Any) -> None:
    main = spawn(CROWDED_MAIN)
    tree = ProcessTree(main.pid)
    before = by_pid(tree)[main.pid]
    assert ask(main) == "done"
    after = by_pid(tree)[main.pid]
    if before.cpu_wait_s is None:
        pytest.skip("this kernel does not count the time that processes wait for a CPU")
    assert after.cpu_wait_s is not None
    assert after.cpu_wait_s - before.cpu_wait_s > 0.1


@linux
def test_pages_of_a_mapped_file_count_as_input(spawn: Any, tmp_path: Any) -> None:
    main = spawn(MAPPING_MAIN, str(tmp_path / "library"))
    tree = ProcessTree(main.pid)
    before = by_pid(tree)[main.pid]
    faults = major_faults(main.pid)
    assert ask(main) == "done"
    after = by_pid(tree)[main.pid]
    fetched = major_faults(main.pid) - faults
    if not fetched:
        pytest.skip("this file system keeps the file in memory")
    assert after.io_bytes - before.io_bytes >= fetched * mmap.PAGESIZE


@linux
def test_pages_that_a_child_copies_are_held_and_those_of_files_are_not(
    spawn: Any, tmp_path: Any
) -> None:
    main = spawn(HOLDING_MAIN, str(tmp_path / "file"))
    before = held(main.pid)
    assert ask(main) == "copied"
    after = held(main.pid)
    assert 64 << 20 <= before < 100 << 20
    assert (60 << 20) <= after - before < 70 << 20


def held(root: int) -> int:
    """Bytes that a fresh look at a tree shows."""
    found = [process.held for process in by_pid(ProcessTree(root)).values()]
    if None in found:
        pytest.skip("this kernel does not show what memory consists of")
    return sum(size or 0 for size in found)


@pytest.mark.skipif(WINE, reason="Wine counts no handles")
def test_open_files_are_counted(spawn: Any) -> None:
    main = spawn(OPENING_MAIN)
    tree = ProcessTree(main.pid)
    before = by_pid(tree)[main.pid].open_files
    assert ask(main) == "opened"
    after = by_pid(tree)[main.pid].open_files
    assert before is not None
    assert after == before + 30


@posix
def test_open_files_of_another_user_are_unknown(spawn: Any) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may look as somebody else")
    looker = spawn(
        "import os, sys\n"
        "from dualwatch.collectors.processes.tree import ProcessTree\n"
        "ProcessTree(os.getpid()).sample(0, 0)\n"  # imports all, while its folders can be read
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sample = ProcessTree(int(sys.argv[1])).sample(0, 0).processes[0]\n"
        "print(sample.open_files, sample.threads, flush=True)",
        str(os.getpid()),
    )
    refused, threads = looker.hello.split()
    assert refused == "None"
    assert int(threads) >= 1


def test_one_process_by_itself(spawn: Any) -> None:
    main = spawn(OPENING_MAIN)
    process = psutil.Process(main.pid)
    sample = sample_one(process, "worker")
    assert sample is not None
    assert (sample.pid, sample.role, sample.create_time) == (
        main.pid,
        "worker",
        process.create_time(),
    )
    main.kill()
    main.wait()
    assert sample_one(process, "worker") is None


@posix
def test_a_reparented_descendant_stays_in_the_tree(spawn: Any) -> None:
    main = spawn(ORPHANING_MAIN)
    grandchild = int(main.hello)
    tree = ProcessTree(main.pid)
    try:
        assert grandchild in by_pid(tree)
        assert ask(main) == "orphaned"
        after = by_pid(tree)
        assert grandchild in after
        assert after[grandchild].ppid not in after
        # Twin: who looks for the first time now cannot know it.
        assert grandchild not in by_pid(ProcessTree(main.pid))
    finally:
        kill_and_wait(grandchild)
    assert grandchild not in by_pid(tree)


@linux
def test_a_sweep_finds_orphans_by_their_marker_and_no_others(spawn: Any) -> None:
    marked = spawn(ORPHANING_MAIN, **{protocol.ENV_MARKER: "attempt-under-test"})
    stranger = spawn(FORKING_MAIN, "0", **{protocol.ENV_MARKER: "another-attempt"})
    grandchild = int(marked.hello)
    try:
        assert ask(marked) == "orphaned"
        tree = ProcessTree(marked.pid, None, "attempt-under-test")
        assert grandchild not in by_pid(tree)
        assert [pid for pid, _ in tree.sweep()] == [grandchild]
        assert tree.sweep() == ()
        assert grandchild in by_pid(tree)
        assert stranger.pid not in by_pid(tree)
        assert ProcessTree(marked.pid, None, "").sweep() == ()
    finally:
        kill_and_wait(grandchild)


def test_a_spawned_worker_and_its_tracker(spawn: Any, tmp_path: Any) -> None:
    script = tmp_path / "main.py"
    script.write_text(SPAWNING_MAIN, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        roles = {pid: sample.role for pid, sample in by_pid(ProcessTree(process.pid)).items()}
        assert roles[process.pid] == "main"
        assert roles[worker] == "worker"
        assert set(roles.values()) <= {"main", "worker", "tracker"}
    finally:
        process.communicate("\n", timeout=20)


@linux
def test_a_stopped_process_says_so(spawn: Any) -> None:
    main = spawn(BUSY_MAIN)
    os.kill(main.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, main.pid, os.WSTOPPED | os.WNOWAIT)
    assert by_pid(ProcessTree(main.pid))[main.pid].status == "stopped"


def test_a_pid_given_anew_is_not_the_root(spawn: Any) -> None:
    main = spawn(BUSY_MAIN)
    created = psutil.Process(main.pid).create_time()
    assert ProcessTree(main.pid, created - 3600).sample(0, 0).processes == ()
    assert len(ProcessTree(main.pid, created).sample(0, 0).processes) == 1


def test_a_process_that_is_gone_is_left_out(spawn: Any) -> None:
    main = spawn(BUSY_MAIN)
    tree = ProcessTree(main.pid)
    assert tree.pids == (main.pid,)
    main.kill()
    main.wait()
    assert tree.sample(0, 0).processes == ()
    assert tree.pids == ()
    assert ProcessTree(main.pid).sample(0, 0).processes == ()
