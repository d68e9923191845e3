"""Errors in one voice: what, where and why, and always what to do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import dualwatch
import pytest

ROOT = Path(dualwatch.__file__).parent
RAISED = [
    (path.relative_to(ROOT).as_posix(), node)
    for path in sorted(ROOT.rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("DualwatchError")
]


@pytest.mark.parametrize(
    "call", [node for _, node in RAISED], ids=[f"{path}:{node.lineno}" for path, node in RAISED]
)
def test_every_error_says_why_and_what_to_do(call) -> None:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    assert {"why", "do"} <= set(given), ast.unparse(call)
    for name in ("why", "do"):
        value = given[name]
        assert not (isinstance(value, ast.Constant) and not value.value), f"{name} is empty"
    what = call.args[0]
    if isinstance(what, ast.Constant):
        assert what.value[0].islower(), "it goes on behind `dualwatch: `"
        assert not what.value.endswith((".", "!")), what.value


@pytest.mark.parametrize(
    ("words", "what", "nearest"),
    [
        (["tran", "c.py"], "no such command 'tran'", "'train'"),
        (["config", "shw"], "no such command 'shw'", "'show'"),
        (["--verion"], "no such option: --verion", "--version"),
        (["train", "c.py", "--stal-timeout", "5m"], "--stal-timeout", "--stall-timeout"),
        (["train", "c.py", "--stal", "5m"], "--stal", "--stall-timeout"),
        (["attach", "--metric-port", "1"], "--metric-port", "--metrics-port"),
        (["diagnose", "--pidd", "1"], "--pidd", "--pid"),
        (["train"], "missing argument 'CONFIG'", ""),
        (["train", "c.py", "--notify"], "'--notify' requires an argument", ""),
        (["diagnose", "--pid", "x"], "invalid value for '--pid'", ""),
        (["explain", "DW102", "DW103"], "DW103", ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_word_is_answered_as_every_error_is(dualwatch_, words, what, nearest) -> None:
    said = dualwatch_(*words)
    assert (said.code, said.out) == (2, "")
    first, *rest = said.err.splitlines()
    assert first.startswith("dualwatch: ")
    assert what in first
    assert nearest in said.err.split("do:")[0]
    assert re.match(r"  do:  `dualwatch[a-z ]* --help`", rest[-1])
    assert max(map(len, said.err.splitlines())) <= 120


def test_the_help_that_an_error_names_is_that_of_the_command(dualwatch_) -> None:
    said = dualwatch_("config", "show", "--nope")
    assert "`dualwatch config show --help`" in said.err


@pytest.mark.parametrize("command", ["diagnose", "check"])
def test_without_any_run_it_is_said_how_to_make_one(dualwatch_, command) -> None:
    said = dualwatch_(command)
    assert said.code == 3
    assert "no run found" in said.err
    assert "dualwatch train CONFIG" in said.err.split("do:")[1]
