"""The command line as its user meets it: in this process, or in one of its own for smoke tests."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dualwatch
import pytest
from dualwatch.cli import main

WATCHDOG = str(Path(dualwatch.__file__).parents[1])
CALL = "from dualwatch.cli import main; main()"


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]


_SETTINGS = tuple(name for name in os.environ if name.startswith("DUALWATCH_"))
_GIVEN = {"PYTHONPATH": WATCHDOG, "COLUMNS": "80"}


def _checked(said: Said) -> Said:
    assert "Traceback" not in said.out + said.err, said
    return said


@pytest.fixture
def dualwatch_(tmp_path, monkeypatch) -> Run:
    """Runs ``dualwatch`` with some words in ``tmp_path``; no command may show a traceback."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, encoding: str = "utf-8", **environ: str) -> Said:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding, newline="") for _ in range(2)]
        with monkeypatch.context() as patch:
            for name in _SETTINGS:
                patch.delenv(name)
            for name, value in {**_GIVEN, **environ}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["dualwatch", *words])
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            with pytest.raises(SystemExit) as ended:
                main()
        code = ended.value.code
        return _checked(Said(int(code or 0), *(_printed(stream, encoding) for stream in streams)))

    return run


def _printed(stream: io.TextIOWrapper, encoding: str) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(encoding)


@pytest.fixture
def dualwatch_process(tmp_path, monkeypatch) -> Run:
    """As ``dualwatch_``, in a process of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, encoding: str = "utf-8", **environ: str) -> Said:
        inherited = {k: v for k, v in os.environ.items() if k not in _SETTINGS}
        done = subprocess.run(
            [sys.executable, "-c", CALL, *words],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**inherited, **_GIVEN, "PYTHONIOENCODING": encoding, **environ},
            check=False,
        )
        out, err = done.stdout.decode(encoding), done.stderr.decode(encoding)
        return _checked(Said(done.returncode, out, err))

    return run
