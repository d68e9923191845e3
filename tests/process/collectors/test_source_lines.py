"""What real processes wait for inside C, by the source lines of their stacks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dualwatch.collectors.stacks import capture, source_lines
from dualwatch.events import Frame, ThreadStack
from dualwatch.rules.stalls import waits
from dualwatch.rules.stalls.waits import Wait

DEADLINE = 60.0

CODE = """
import multiprocessing, threading, time, socket

def load():
    print("up", flush=True)
    {}

if __name__ == "__main__":
    lock, own = multiprocessing.Lock(), threading.Lock()
    lock.acquire(); own.acquire()
    server = socket.create_server(("127.0.0.1", 0))
    load()
"""


def waiting(folder: Path, line: str) -> subprocess.Popen[bytes]:
    script = folder / "train.py"
    script.write_text(CODE.format(line), encoding="utf-8")
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"up"
    return process


@pytest.mark.parametrize(
    ("line", "wait"),
    [
        ("lock.acquire()", Wait.LOCK),
        ("own.acquire()", Wait.LOCK),
        ("with own: pass", Wait.LOCK),
        ("with lock: pass", Wait.LOCK),
        ("time.sleep(600)", Wait.SLEEP),
        ("server.accept()", Wait.SOCKET),
        ("multiprocessing.Queue().get()", Wait.QUEUE),
    ],
)
def test_a_process_that_waits(tmp_path, line, wait) -> None:
    process = waiting(tmp_path, line)
    try:
        deadline = time.monotonic() + DEADLINE
        found = None
        while found is not wait and time.monotonic() < deadline:
            seen, why = capture.capture([process.pid], None, at=0.0, wall=0.0)
            if sys.platform != "win32" and seen is None:
                pytest.skip(f"py-spy may not read a child here: {why}")
            frames = seen.stacks[0].frames if seen is not None else ()
            found = waits.of(frames)
        assert found is wait
    finally:
        process.kill()
        process.communicate()


def annotated(file: Path, line: int) -> Frame:
    frame = Frame(function="<module>", file=str(file), line=line)
    stack = ThreadStack(pid=os.getpid(), thread="MainThread", active=None, frames=(frame,))
    return source_lines.annotate([stack], same_files=True)[0].frames[0]


def test_a_file_that_was_changed_since_the_start_is_not_believed(tmp_path) -> None:
    script = tmp_path / "train.py"
    script.write_text("lock.acquire()\n", encoding="utf-8")
    os.utime(script, (time.time() + 60, time.time() + 60))
    assert annotated(script, 1).source is None
    os.utime(script, (1e9, 1e9))
    source = annotated(script, 1).source
    assert source is not None
    assert source.calls == ("lock.acquire",)


@pytest.mark.parametrize("content", [b"\x00\xff(", b"def f(:\n", b"(" * 5000, None])
def test_a_file_that_cannot_be_read_shows_nothing(tmp_path, content) -> None:
    script = tmp_path / "train.py"
    if content is not None:
        script.write_bytes(content)
        os.utime(script, (1e9, 1e9))
    assert annotated(script, 1).source is None
