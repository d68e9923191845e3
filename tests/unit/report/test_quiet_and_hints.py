"""Silence where it is asked for, and a word to who is new."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys

import pytest
from dualwatch.events import CommandAnswered, Decided, RunEnded, Severity
from dualwatch.protocol import AgentCommand
from dualwatch.report.run.quiet import QuietView
from dualwatch.report.terminal import hints
from dualwatch.tensorboard import server


@pytest.fixture
def quiet(telling):
    """A teller of a quiet view, and what the view has written."""
    stream = io.StringIO()
    return telling(QuietView(stream)), lambda: stream.getvalue().splitlines()


def test_only_findings_decisions_and_what_came_of_them(quiet, change) -> None:
    teller, lines = quiet
    teller.view.note("work dir: w")
    teller.started().wait(600)
    teller.found("DW404", "no GPU", severity=Severity.INFO)
    assert lines() == []
    teller.found("DW102", "no progress")
    teller.tell(Decided, action="replace", reason="DW111: replaced", changes=(change,))
    answer = {"rank": 0, "number": 1, "done": True, "iteration": 3}
    teller.tell(CommandAnswered, order=AgentCommand.TELL, **answer)
    teller.tell(CommandAnswered, order=AgentCommand.REPLACE, **answer)
    teller.view.note("the journal cannot be written")
    teller.tell(RunEnded, outcome="completed", exit_code=0, reason="to the end")
    shown = lines()
    parts = ("DW102", "dualwatch explain DW102", "decision", "2 -> 0", "iteration 3", "journal")
    assert len(shown) == len(parts)
    for line, part in zip(shown, parts, strict=True):
        assert part in line


# --- hints -----------------------------------------------------------------------------------


def test_the_first_run_of_a_folder_is_the_first_once(tmp_path) -> None:
    first, second = tmp_path / "work_dirs" / "a", tmp_path / "work_dirs" / "b"
    assert hints.is_first_run(first)
    first.mkdir(parents=True)
    assert hints.is_first_run(first), "a training that never knew dualwatch"
    (first / "dualwatch").mkdir()
    assert not hints.is_first_run(first)
    assert not hints.is_first_run(second)
    assert hints.is_first_run(tmp_path / "elsewhere" / "c")


def test_hints_are_short_and_say_where_and_how() -> None:
    said = list(hints.first_run())
    assert "checkpoints" in said[0]
    assert "Ctrl-C" in said[1]
    assert max(map(len, said)) <= 80


ASKED = """
import sys
from dualwatch.report.terminal import hints
print(*(hints.are_welcome(as_json=j, quiet=q) for j in (False, True) for q in (False, True)))
"""


@pytest.mark.parametrize(
    ("term", "answers"), [("xterm", "True False False False"), ("dumb", "False " * 3 + "False")]
)
def test_hints_are_for_a_terminal_and_who_did_not_ask_for_silence(term, answers) -> None:
    pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals of POSIX")
    ours, theirs = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": term}
    done = subprocess.run(
        [sys.executable, "-c", ASKED],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        check=True,
    )
    os.close(theirs)
    os.close(ours)
    assert done.stdout.strip() == answers


def test_nobody_reads_hints_in_a_file() -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", ASKED], env=environ, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == {"False"}


@pytest.mark.skipif(importlib.util.find_spec("venv") is None, reason="this Python has no venv")
def test_whether_a_python_has_tensorboard(tmp_path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    python = bare / ("Scripts" if os.name == "nt" else "bin") / "python"
    assert not server.is_installed(str(python))
    assert server.is_installed("/gone/python"), "starting it tells what is wrong"
