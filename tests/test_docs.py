"""The documentation says what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from dualwatch.cli import app
from dualwatch.errors import Exit
from dualwatch.judge.codes import BY_CODE
from typer.testing import CliRunner

OPTION = re.compile(r"--[a-z][a-z-]+")
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("make_codes", ROOT / "docs" / "make_codes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pages: dict[str, str] = module.pages()
    return pages


def test_the_pages_of_the_codes_are_those_of_the_registry(made):
    written = {p.name: p.read_text(encoding="utf-8") for p in (ROOT / "docs/codes").iterdir()}
    assert written == made, "run: python docs/make_codes.py"


@pytest.mark.parametrize("place", ["README.md", "CHANGELOG.md", "docs/architecture.md"])
def test_codes_and_links_that_the_texts_name_exist(place):
    text = (ROOT / place).read_text(encoding="utf-8")
    assert set(re.findall(r"DW\d{3}", text)) <= set(BY_CODE)
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / place).parent / target).exists(), target


def test_the_readme_lists_every_exit_code():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert listed == {int(code) for code in Exit}


def test_options_that_the_readme_names_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = ("train", "diagnose", "explain")
    shown = [CliRunner().invoke(app, [command, "--help"]).output for command in commands]
    known = set(OPTION.findall(" ".join(shown)))
    known |= set(OPTION.findall((ROOT / "bootstrap.py").read_text(encoding="utf-8")))
    ours = re.sub(r" -- --\S+", "", text)  # What follows `--` is not ours.
    ours = re.sub(r"`python -m benchmarks.*?`", "", ours)  # Tried in test_benchmarks.py.
    assert set(OPTION.findall(ours)) <= known
