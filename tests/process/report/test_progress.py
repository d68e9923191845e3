"""The progress bar: on a terminal only, in every encoding, and gone at the end."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from dualwatch.report.terminal.progress import bar

SHOWN = """
import sys
from dualwatch.report.terminal.progress import bar
with bar("comparing [bold]pairs\\x1b[31m") as advance:
    for done in range(0, 12001, 3000):
        advance(done, 12000)
print("RICH" if "rich" in sys.modules else "NO RICH")
"""


@pytest.fixture
def on_a_terminal(monkeypatch):
    """Runs a script with stderr on a pseudo-terminal; returns stdout and what was drawn."""
    pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals of POSIX")
    import os

    def run(script: str, **environ: str) -> tuple[str, str]:
        ours, theirs = pty.openpty()
        done = subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=theirs,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "80", **environ},
        )
        os.close(theirs)
        drawn = b""
        while True:
            try:
                block = os.read(ours, 65536)
            except OSError:  # Linux says so when the other end is closed.
                break
            if not block:
                break
            drawn += block
        os.close(ours)
        out, _ = done.communicate(timeout=60)
        assert done.returncode == 0, drawn
        return out.decode(), drawn.decode("utf-8", "replace")

    return run


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252", "gbk"])
def test_a_terminal_is_shown_how_far_it_is(on_a_terminal, encoding) -> None:
    out, drawn = on_a_terminal(
        SHOWN, TERM="xterm", PYTHONIOENCODING=encoding, NO_COLOR="1", TTY_COMPATIBLE="1"
    )
    assert "comparing [bold]pairs" in drawn
    assert "/12000" in drawn.replace(" ", "")
    assert "\x1b[31m" not in drawn
    assert drawn.endswith("\x1b[2K"), "the line is taken away"
    assert out.strip() == "RICH"


def test_a_dumb_terminal_is_left_alone(on_a_terminal) -> None:
    assert on_a_terminal(SHOWN, TERM="dumb") == ("NO RICH\n", "")


def test_a_file_is_left_alone() -> None:
    stream = io.StringIO()
    with bar("comparing pairs", stream) as advance:
        advance(1, 2)
    assert stream.getvalue() == ""


def test_what_fails_within_is_not_hidden() -> None:
    with pytest.raises(ValueError, match="inner"), bar("x", io.StringIO()):
        raise ValueError("inner")
