"""A short chaos: one random fault of each kind, under the real command."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

KINDS = {
    "the main process": "^main: kill",
    "a worker": "^worker: SIGTERM",
    "the supervisor": "^supervisor: (kill -9$|SIGINT)",
    "the disk": "^disk",
    "a checkpoint": "^checkpoint",
    "the clock": "^clock",
}


def play(pattern: str, rounds: int, seed: int = 7) -> subprocess.CompletedProcess[str]:
    """Plays rounds as the README says."""
    words = ["--rounds", str(rounds), "--jobs", "2", "--seed", str(seed), "--only", pattern]
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def test_whatever_happens_nothing_is_lost_left_or_untold():
    done = play("|".join(KINDS.values()), rounds=len(KINDS) + 1)

    if "nothing that can be played" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    total = re.search(r"^\| all +\| (\d+) +\| +\| (\d+) +\|$", done.stdout, re.MULTILINE)
    assert total is not None, done.stdout
    assert total.groups() == (str(len(KINDS) + 1), "0")
