"""The ``nvidia-smi`` program, played by small real programs on the PATH."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from dualwatch.collectors.gpu import nvidia_smi

pytestmark = pytest.mark.skipif(os.name != "posix", reason="plays the program with a script")

Play = Callable[[str], Path]

PAGE = """\
Tue Nov 24 03:02:11 2026
+-------------------------------------------------+
| NVIDIA-SMI 535.154.05   Driver Version: 535.154 |
+-------------------------------------------------+"""


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Puts a Python script under the program's name first on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def put(code: str) -> Path:
        program = folder / "nvidia-smi"
        program.write_text(f"#!{sys.executable}\nimport os, sys, time\n{code}", encoding="utf-8")
        program.chmod(0o755)
        return program

    return put


def test_a_page_as_it_is(play: Play) -> None:
    play(f"print({PAGE!r})")
    assert nvidia_smi.read(30) == (PAGE, None)


def test_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    page, why = nvidia_smi.read()
    assert page is None
    assert "no nvidia-smi" in str(why)


def test_a_failure_says_its_status_and_words(play: Play) -> None:
    play("print('Failed to initialize NVML: Driver/library version mismatch'); sys.exit(18)")
    page, why = nvidia_smi.read(30)
    assert page == "Failed to initialize NVML: Driver/library version mismatch"
    assert why == f"nvidia-smi ended with status 18: {page}"


def test_a_failures_stderr_goes_first(play: Play) -> None:
    play("print('half a page'); sys.stderr.write('no\\n  driver\\x1b[31m\\n'); sys.exit(9)")
    assert nvidia_smi.read(30) == ("half a page", "nvidia-smi ended with status 9: no driver")


def test_a_silent_one_is_not_well(play: Play) -> None:
    play("")
    assert nvidia_smi.read(30) == (None, "nvidia-smi said nothing")
    play("sys.exit(3)")
    assert nvidia_smi.read(30) == (None, "nvidia-smi ended with status 3: it said nothing")


def test_one_that_dies_of_a_signal(play: Play) -> None:
    play("os.kill(os.getpid(), 9)")
    assert nvidia_smi.read(30) == (None, "nvidia-smi died of signal 9: it said nothing")


def test_one_that_hangs_is_killed_with_its_children_and_what_it_said_is_kept(
    play: Play, tmp_path: Path
) -> None:
    fifo = tmp_path / "hello"
    os.mkfifo(fifo)
    play(
        "print('half a page', flush=True)\n"
        "child = os.fork()\n"
        "if child:\n"
        f"    open({str(fifo)!r}, 'w').write(f'{{os.getpid()}} {{child}}')\n"
        "time.sleep(600)"
    )
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(nvidia_smi.read(3.0)))
    thread.start()
    hanging = [psutil.Process(int(pid)) for pid in fifo.read_text().split()]
    thread.join(60)
    assert results == [("half a page", "nvidia-smi did not answer within 3 s and was killed")]
    gone, alive = psutil.wait_procs(hanging, timeout=10)
    assert (len(gone), alive) == (2, [])


def test_a_grandchild_that_keeps_the_pipe_open_holds_nobody_up(play: Play, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    play(
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.setsid()\n"
        "    time.sleep(600)\n"
        f"open({str(note)!r}, 'w').write(str(child))\n"
        "print('a page', flush=True)"
    )
    try:
        assert nvidia_smi.read(30) == ("a page", None)
    finally:
        grandchild = psutil.Process(int(note.read_text()))
        os.kill(grandchild.pid, signal.SIGKILL)
        psutil.wait_procs([grandchild], timeout=10)


def test_a_flood_is_cut_and_shows_it(play: Play) -> None:
    # More than a pipe holds: a reader that stops at its limit would leave the writer waiting.
    play("sys.stdout.write(('x' * 99 + '\\n') * 50_000)")
    page, why = nvidia_smi.read(30)
    assert why is None
    assert page is not None
    assert page.endswith(" ...")
    assert 60_000 < len(page) <= nvidia_smi.MAX_BYTES + len(" ...")


def test_control_sequences_and_odd_bytes_are_made_harmless(play: Play) -> None:
    play(
        "sys.stdout.buffer.write(b'\\x1b]0;title\\x07GPU\\x1b[31m 0\\x1b[0m\\r\\n"
        "\\tfan \\xff\\xfe\\ncaf\\xc3\\xa9 \\x00\\x9b')"
    )
    page, why = nvidia_smi.read(30)
    assert why is None
    assert page is not None
    first, second, third = page.split("\n")
    assert (first, second[:5]) == ("GPU 0", "\tfan ")
    assert third.startswith("caf")
    assert not set(page) & {"\x1b", "\x07", "\r", "\x00", "\x9b"}


def test_one_that_cannot_be_started(play: Play) -> None:
    program = play("")
    program.write_bytes(b"\x7fELF nothing of the kind")
    page, why = nvidia_smi.read(30)
    assert page is None
    assert f"{program} could not be started" in str(why)
