"""The benchmarks start, and one of them runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import ROOT

if sys.platform == "win32":
    pytest.skip("the benchmarks count with wait4, which Windows lacks", allow_module_level=True)

NAMES = sorted(
    path.parent.name if path.name == "__main__.py" else path.stem
    for path in (ROOT / "benchmarks").rglob("*.py")
    if "def main(" in path.read_text(encoding="utf-8")
)


def run(*words: str) -> str:
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_explains_itself(name):
    assert "usage:" in run(f"benchmarks.{name}", "--help")


def test_pairs_are_made_and_checked():
    text = run("benchmarks.check_pairs", "--runs", "1", "--pairs", "30", "--warm")
    assert "30 pairs; 1 runs, warm" in text
