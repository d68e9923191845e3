"""The command line as its user meets it: a real process in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dualwatch
import pytest

WATCHDOG = str(Path(dualwatch.__file__).parents[1])
CALL = "from dualwatch.cli import main; main()"


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def dualwatch_(tmp_path, monkeypatch) -> Run:
    """Runs ``dualwatch`` with some words in ``tmp_path``; no command may show a traceback."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, encoding: str = "utf-8", **environ: str) -> Said:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("DUALWATCH_")}
        done = subprocess.run(
            [sys.executable, "-c", CALL, *words],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={
                **inherited,
                "PYTHONPATH": WATCHDOG,
                "PYTHONIOENCODING": encoding,
                "COLUMNS": "80",
                **environ,
            },
            check=False,
        )
        said = Said(done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding))
        assert "Traceback" not in said.out + said.err, said
        return said

    return run
