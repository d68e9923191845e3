"""Completion in a real shell: words, options and values."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import CALL, WATCHDOG

BASH = shutil.which("bash")
COMPLETE = """
eval "$(_DUALWATCH_COMPLETE=source_bash dualwatch)"
COMP_WORDS=($WORDS) COMP_CWORD=$AT
_dualwatch_completion dualwatch
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def completed(tmp_path: Path):
    """What bash offers after some words; the last one is incomplete."""
    if BASH is None:
        pytest.skip("there is no bash")
    if os.name == "nt":
        pytest.skip("the command of this test is a shell script")
    command = tmp_path / "bin" / "dualwatch"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{CALL}' \"$@\"\n")
    command.chmod(0o700)

    def run(*words: str) -> list[str]:
        given = [word for word in words if word]
        done = subprocess.run(
            [str(BASH), "--norc", "--noprofile", "-c", COMPLETE],
            env={
                **os.environ,
                "PATH": os.pathsep.join((str(command.parent), os.environ["PATH"])),
                "PYTHONPATH": WATCHDOG,
                "WORDS": " ".join(["dualwatch", *given]),
                "AT": str(len(words)),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.split()

    return run


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("tr",), {"train"}),
        (("config", "s"), {"show"}),
        (("train", "c.py", "--metrics-"), {"--metrics-port", "--metrics-host"}),
        (("train", "c.py", "--on-stall", "r"), {"rerun", "report"}),
        (("explain", "DW111"), {"DW111"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_tab_completes(completed, words, offered) -> None:
    assert set(completed(*words)) == offered


def test_a_tab_after_explain_offers_every_code_of_a_family(completed) -> None:
    offered = completed("explain", "DW1")
    assert {"DW101", "DW102", "DW111", "DW118"} <= set(offered)
    assert all(code.startswith("DW1") for code in offered)


def test_the_script_can_be_shown_for_a_shell(dualwatch_) -> None:
    text = dualwatch_(_DUALWATCH_COMPLETE="source_zsh").out
    assert "#compdef dualwatch" in text
