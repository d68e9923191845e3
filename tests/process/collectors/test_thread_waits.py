"""What threads wait for, read from real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dualwatch.collectors.processes import thread_waits
from dualwatch.events import WaitKind, WaitSeen

pytestmark = pytest.mark.skipif(
    not thread_waits.are_shown(), reason="the system calls of this system are not known"
)

PATIENCE = 60.0

PROGRAM = """
import fcntl, multiprocessing, os, signal, sys, threading, time

context = multiprocessing.get_context("fork")
shared, own = context.Lock(), threading.Lock()
shared.acquire(), own.acquire()
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)


def waits_for_a_file():
    with open(sys.argv[1], "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)


def handles_an_alarm():
    signal.signal(signal.SIGALRM, lambda *_: None)
    own.acquire()


def has_a_thread():
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    own.acquire()


ways = [
    shared.acquire,
    own.acquire,
    waits_for_a_file,
    lambda: shared.acquire(timeout=600),
    handles_an_alarm,
    has_a_thread,
    lambda: time.sleep(600),
]
processes = [context.Process(target=way, daemon=True) for way in ways]
for process in processes:
    process.start()
print(*(process.pid for process in processes), flush=True)
sys.stdin.read()
for process in processes:
    process.kill()
"""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[tuple[int, list[int]]]:
    """The main process, and its children in the order of their ways to wait."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process.pid, [int(word) for word in process.stdout.readline().split()]
    finally:
        process.stdin.close()
        process.wait(PATIENCE)
        process.stdout.close()


def until_all_wait(pids: list[int]) -> dict[int, WaitSeen]:
    """The waits of the main threads, once the first six wait for locks."""
    end = time.monotonic() + PATIENCE
    while True:
        seen = thread_waits.look(pids)
        firsts = {wait.pid: wait for wait in seen if wait.pid == wait.tid}
        at_locks = sum(wait.kind is not WaitKind.OTHER for wait in firsts.values())
        if at_locks == 6:
            return firsts
        assert time.monotonic() < end, seen
        time.sleep(0.05)


def test_each_wait_is_known_with_who_can_end_it(tmp_path: Path) -> None:
    with running(tmp_path) as (main, pids):
        waits = until_all_wait([main, *pids])
        shared, own, file, limited, alarmed, threaded, sleeper = (waits[pid] for pid in pids)
        threads = [w for w in thread_waits.look([main, *pids]) if w.pid == threaded.pid]

    everyone = {main, *pids}
    assert waits[main].kind is WaitKind.OTHER
    assert (shared.kind, shared.endless) == (WaitKind.MEMORY_LOCK, True)
    assert set(shared.freed_by or ()) == everyone
    assert (own.endless, own.freed_by) == (True, (own.pid,))
    assert (file.kind, file.endless, file.freed_by) == (WaitKind.FILE_LOCK, True, (main,))
    assert limited.kind is WaitKind.MEMORY_LOCK
    assert not limited.endless
    assert not alarmed.endless
    assert [w.endless for w in sorted(threads, key=lambda w: w.tid)] == [True, False]
    assert sleeper.kind is WaitKind.OTHER


def test_a_process_outside_of_the_tree_that_shares_the_memory_is_named(tmp_path: Path) -> None:
    with running(tmp_path) as (main, pids):
        until_all_wait([main, *pids])
        (wait,) = (w for w in thread_waits.look([pids[0]]) if w.tid == pids[0])

    assert main in (wait.freed_by or ())


def test_a_process_that_is_gone_or_of_nobody_is_not_read() -> None:
    assert thread_waits.look([]) == ()
    assert thread_waits.look([2**22 + 1]) == ()


def test_a_stopped_process_is_seen(tmp_path: Path) -> None:
    with running(tmp_path) as (_, pids):
        os.kill(pids[-1], signal.SIGSTOP)
        end = time.monotonic() + PATIENCE
        while (seen := thread_waits.look([pids[-1]]))[0].kind is not WaitKind.STOPPED:
            assert time.monotonic() < end, seen
            time.sleep(0.05)
