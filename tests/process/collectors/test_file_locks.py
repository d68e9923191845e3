"""Who waits for a file lock, and who holds it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from dualwatch.collectors.processes import file_locks

from tests.support.systems import WINDOWS

HOLDER = """
import fcntl, sys
stream = open(sys.argv[1], "w")
print("asks", flush=True)
fcntl.flock(stream, fcntl.LOCK_EX)
print("holds", flush=True)
sys.stdin.read()
"""


def process(path) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", HOLDER, str(path)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(WINDOWS or not file_locks.LOCKS.exists(), reason="/proc/locks is Linux's")
def test_a_process_that_waits_and_the_one_that_holds(tmp_path):
    path = tmp_path / "a.lock"
    holder = process(path)
    with holder:
        assert holder.stdout is not None
        assert [holder.stdout.readline(), holder.stdout.readline()] == ["asks\n", "holds\n"]
        assert file_locks.look({holder.pid}, at=0.0, wall=0.0) is None
        with process(path) as waiter:
            seen = None
            until = time.monotonic() + 60
            while seen is None and time.monotonic() < until:
                seen = file_locks.look({waiter.pid}, at=0.0, wall=0.0)
            holder.kill()
            waiter.communicate("")
    assert seen is not None
    assert {(one.pid, one.file, one.waits) for one in seen.locks} == {
        (holder.pid, str(path), False),
        (waiter.pid, str(path), True),
    }


@pytest.mark.parametrize(
    "text", ["", "1: LEASE  ACTIVE  READ 7 fe:00:9 0 EOF", "nonsense", "2: -> FLOCK ADVISORY WRITE"]
)
def test_other_lines_are_passed_over(tmp_path, text):
    locks = tmp_path / "locks"
    locks.write_text(text)
    assert file_locks.look({7}, at=0.0, wall=0.0, locks=locks) is None
