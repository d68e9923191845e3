"""A small Python is really started, asked how it prints, and has its stack read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from dualwatch.collectors.stacks import capture, self_test
from dualwatch.collectors.stacks.self_test import look


def test_it_is_really_tried_and_leaves_nobody_behind() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    seen = look(sys.executable, at=1.0, wall=2.0)
    assert (seen.at, seen.wall) == (1.0, 2.0)
    if capture.find_reader() is None:
        assert seen.stacks_readable is False
        assert "py-spy is not installed" in seen.stacks_why
    else:
        # Where the system forbids it, the reason is told.
        assert seen.stacks_readable or seen.stacks_why
    assert seen.console_encoding
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


@pytest.mark.parametrize("encoding", ["gbk", "cp1252", "ascii", "utf-8"])
def test_the_encoding_is_that_of_the_training(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.delenv("PYTHONUTF8", raising=False)
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    assert look(sys.executable, at=0.0, wall=0.0).console_encoding == encoding


def test_a_reader_that_is_not_there_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "find_reader", lambda: None)
    seen = look(sys.executable, at=0.0, wall=0.0)
    assert seen.stacks_readable is False
    assert "pip install py-spy" in seen.stacks_why


@pytest.mark.parametrize("python", ["{}/nowhere/python", "{}"])
def test_an_interpreter_that_does_not_start_leaves_it_unknown(tmp_path: Path, python: str) -> None:
    seen = look(python.format(tmp_path), at=0.0, wall=0.0)
    assert (seen.stacks_readable, seen.console_encoding) == (None, "")
    assert "cannot be started" in seen.stacks_why


@pytest.mark.skipif(sys.platform == "win32", reason="needs a script that is a program")
@pytest.mark.parametrize("body", ["exit 3", "echo hello", "exec sleep 60 >&2"])
def test_a_program_that_is_no_python_leaves_it_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(self_test, "START_S", 0.5)
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o700)
    seen = look(str(program), at=0.0, wall=0.0)
    assert (seen.stacks_readable, seen.console_encoding) == (None, "")
    assert str(program) in seen.stacks_why


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a process")
def test_the_hard_limit_of_open_files() -> None:
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300));"
        "from dualwatch.collectors.stacks import self_test;"
        "print(self_test.look(sys.executable, at=0.0, wall=0.0).hard_open_files)"
    )
    watchdog = Path(self_test.__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=watchdog,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "300"
