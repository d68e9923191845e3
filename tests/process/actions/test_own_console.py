"""Windows: what happens to our console does not reach what was started beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dualwatch.actions import launch
from dualwatch.core import own_session

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="consoles are Windows'")

DEADLINE = 60.0

CHILD = "import sys; print('up', flush=True); sys.stdin.readline()"

# Sends Ctrl-Break to the group that a process leads, by its console.
PRESS = """
import ctypes, sys
kernel32 = ctypes.WinDLL("kernel32")
kernel32.FreeConsole()
assert kernel32.AttachConsole(int(sys.argv[1]))
assert kernel32.GenerateConsoleCtrlEvent(1, int(sys.argv[1]))
"""


def started() -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **own_session.options(),
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"up"
    return process


def press(pid: int) -> bool:
    command = [sys.executable, "-c", PRESS, str(pid)]
    return subprocess.run(command, timeout=DEADLINE, check=False).returncode == 0


def test_ctrl_break_ends_only_what_is_in_that_console() -> None:
    one, other = started(), started()
    try:
        assert press(one.pid)

        assert one.wait(DEADLINE) != 0
        other.communicate(b"\n", timeout=DEADLINE)
        assert other.returncode == 0
    finally:
        for process in (one, other):
            process.kill()
            process.wait()


def test_a_training_runs_in_a_job_and_a_console_of_its_own(tmp_path: Path) -> None:
    code = "import time; print('up', flush=True); time.sleep(600)"
    training = launch.launch([sys.executable, "-c", code], tmp_path, "m", base=os.environ)
    console = tmp_path / "console.log"
    while b"up" not in console.read_bytes():
        assert not training.is_over()

    assert training.job is not None
    assert training.notes == ()
    assert press(training.pid)
    training.wait(DEADLINE)
    assert training.exit_code() not in (None, 0)
    training.job.close()
