"""Completion: words, options and values; once in a real shell."""

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


def test_bash_completes_a_command(completed) -> None:
    assert completed("tr") == ["train"]


@pytest.fixture
def offered(dualwatch_):
    """What is offered after some words, of which the last is incomplete."""

    def run(*words: str) -> set[str]:
        said = dualwatch_(
            _DUALWATCH_COMPLETE="complete_bash",
            COMP_WORDS=" ".join(["dualwatch", *words]),
            COMP_CWORD=str(len(words)),
        )
        return set(said.out.split())

    return run


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("config", "s"), {"show"}),
        (("train", "c.py", "--metrics-"), {"--metrics-port", "--metrics-host"}),
        (("train", "c.py", "--on-stall", "r"), {"rerun", "report"}),
        (("attach", "--on-missing", "s"), {"stop"}),
        (("check", "--profile", "neu"), {"neutral"}),
        (("explain", "DW111"), {"DW111"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_words_options_and_values_are_completed(offered, words, expected) -> None:
    assert offered(*words) == expected


def test_every_code_of_a_family_is_offered(offered) -> None:
    codes = offered("explain", "DW1")
    assert {"DW101", "DW102", "DW111", "DW118"} <= codes
    assert all(code.startswith("DW1") for code in codes)


def test_the_script_can_be_shown_for_a_shell(dualwatch_) -> None:
    text = dualwatch_(_DUALWATCH_COMPLETE="source_zsh").out
    assert "#compdef dualwatch" in text
