"""The documentation says what the code says."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from dualwatch.cli import app
from dualwatch.core.errors import Exit
from dualwatch.events import Severity
from dualwatch.rules import registry
from dualwatch.rules.catalog import BY_CODE, Code
from typer.main import get_command
from typer.testing import CliRunner

from tests.support.paths import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OPTION = re.compile(r"--[a-z][a-z-]+")
CALL = re.compile(r"(?<![\w/-])dualwatch ((?:config )?[a-z]+)(?= |$)([^&|]*)")


def loaded(path: Path) -> ModuleType:
    """A file of ours that is in no package, as a module."""
    name = f"loaded_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    pages: dict[str, str] = loaded(ROOT / "docs" / "make_codes.py").pages()
    return pages


def test_the_pages_of_the_codes_are_those_of_the_registry(made):
    written = {p.name: p.read_text(encoding="utf-8") for p in (ROOT / "docs/codes").iterdir()}
    assert written == made, "run: python docs/make_codes.py"


# --- what the texts name ------------------------------------------------------------------------

READMES = ("README.md", "README.zh-CN.md")
TEXTS = (
    *(*READMES, "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md"),
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
)


def read(place: str) -> str:
    return (ROOT / place).read_text(encoding="utf-8")


def prose(place: str) -> str:
    """A text without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", read(place), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("place", TEXTS)
def test_codes_and_links_that_the_texts_name_exist(place):
    text = prose(place)
    made_up = {"DW217"} if place == "docs/adding-a-rule.md" else set()
    assert set(re.findall(r"DW\d{3}", text)) <= set(BY_CODE) | made_up | KEPT_FREE
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / place).parent / target).exists(), target


KEPT_FREE = {"DW802"}
"""Published codes that nothing finds yet."""


def helps() -> dict[str, str]:
    """Every command and what its help says."""
    command = get_command(app)
    names = [*_names(command, ())]
    said = {" ".join(name): CliRunner().invoke(app, [*name, "--help"]).output for name in names}
    assert {"", "train", "config show"} <= set(said)
    return said


def _names(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from _names(below, (*path, name))


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    return helps()


@pytest.mark.parametrize("place", TEXTS)
def test_calls_of_dualwatch_that_the_texts_show_exist(place, said):
    """Each command that is named, and each option that is named beside it."""
    for command, options in calls(read(place)):
        assert command in said, (place, command)
        known = set(OPTION.findall(said[command])) | {"--help", "--version"}
        assert options <= known, (place, command, options - known)


def calls(text: str) -> Iterator[tuple[str, set[str]]]:
    """The calls in a text's code, each with its options; what follows ``--`` is not ours."""
    fence = re.compile(r"^```[a-z]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    code = fence.findall(text) + re.findall(r"`([^`\n]+)`", fence.sub("", text))
    for line in "\n".join(code).splitlines():
        called = re.search(
            r"(?<![\w/-])dualwatch ((?:config )?[a-z]+)(?= |$)([^&|]*)", line.split("#")[0]
        )
        if called and not line.startswith("git clone"):
            yield called.group(1), set(OPTION.findall(called.group(2).split(" -- ")[0]))


def test_calls_are_read_as_they_are_written():
    shown = "`PORT=1 dualwatch train a.py --resume -- --mine`\n```\n$ dualwatch config show\n```\n"
    assert sorted(calls(shown)) == [("config show", set()), ("train", {"--resume"})]


@pytest.mark.parametrize("place", [*READMES, "docs/train.md", "docs/diagnose.md", "docs/linux.md"])
def test_options_that_the_prose_names_exist(place, said):
    known = set(OPTION.findall(" ".join(said.values())))
    known |= set(OPTION.findall((ROOT / "bootstrap.py").read_text(encoding="utf-8")))
    ours = re.sub(r" -- --\S+", "", read(place))  # What follows `--` is not ours.
    ours = re.sub(r"`python -m benchmarks.*?`", "", ours)  # Tried in test_benchmarks.py.
    ours = re.sub(r"`docker .*?`", "", ours)
    assert set(OPTION.findall(ours)) <= known


# --- both READMEs ------------------------------------------------------------------------------


@pytest.mark.parametrize("place", READMES)
def test_the_readme_lists_every_exit_code(place):
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", read(place), re.MULTILINE)}
    assert listed == {int(code) for code in Exit}


def test_both_readmes_have_the_same_form():
    one, other = map(read, READMES)
    assert form(one) == form(other)


def form(text: str) -> dict[str, Any]:
    """What must be the same in every language."""
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return {
        "headings": re.findall(r"^(#+) ", text, re.MULTILINE),
        "commands": [[line.split("#")[0].strip() for line in b.splitlines()] for b in blocks],
        "rows": len(re.findall(r"^\|", text, re.MULTILINE)),
        "links": set(re.findall(r"\]\(([^)]+)\)", text)) - set(READMES),
        "figures": sorted(re.findall(r"\d+\.\d+", text)),
        "benchmarks": re.findall(r"`python -m [^`]+`", text),
    }


# --- the site ----------------------------------------------------------------------------------


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install .[docs]")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "codes" / "DW111.html").read_text(encoding="utf-8")
    assert not re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=.https?:", page)


# --- the page on rules: its blocks work as they stand -------------------------------------------


@pytest.fixture
def rule(monkeypatch) -> list[str]:
    """The page's code and rule, in force for a test; returns the page's blocks."""
    page = (ROOT / "docs/adding-a-rule.md").read_text(encoding="utf-8")
    code, source, tests = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    entry = eval(code, {"Code": Code, "Severity": Severity})
    monkeypatch.setitem(BY_CODE, entry.code, entry)
    module: dict[str, Any] = {}
    exec(source, module)
    # Whoever follows the page has it in the registry already.
    others = [rule for rule in registry.RULES if not rule.__module__.endswith(".learning_rate")]
    monkeypatch.setattr(registry, "RULES", (*others, module["find"]))
    return [code, source, tests]


def test_the_rule_that_the_page_adds_works(rule):
    module: dict[str, Any] = {}
    exec(rule[-1], module)
    tests = [value for name, value in module.items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        test(told().started())


def told() -> Any:
    """A new story of `tests/unit/conftest.py`."""
    return loaded(ROOT / "tests/unit/conftest.py").Story()


@pytest.mark.parametrize(
    "picture", sorted((ROOT / "docs/pictures").glob("*.svg")), ids=lambda p: p.stem
)
def test_a_picture_is_small_and_fetches_nothing(picture):
    drawn = picture.read_text(encoding="utf-8")
    assert len(drawn) < 100_000
    assert set(re.findall(r"https?://[^\s\"')]+", drawn)) <= {"http://www.w3.org/2000/svg"}


# --- architecture -------------------------------------------------------------------------------


def layers() -> list[str]:
    """The rooms, top to bottom, as import-linter enforces them."""
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (order,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [room.strip().removeprefix("dualwatch.") for row in order for room in row.split("|")]


def test_contributing_shows_the_layers_that_are_enforced():
    shown = re.search(r"^```\n(cli\n.*?)^```", read("CONTRIBUTING.md"), re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert shown.group(1).split() == [room for room in layers() if room != "__main__"]


def test_the_architecture_page_lists_every_room_in_its_order():
    listed = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", read("docs/architecture.md"), re.MULTILINE)
    assert listed == [room for room in layers() if room != "__main__"]


@pytest.mark.parametrize("place", ["docs/architecture.md", "docs/tour.md", "CONTRIBUTING.md"])
def test_files_and_folders_that_the_pages_on_the_code_name_exist(place):
    code = ROOT / "watchdog/dualwatch"
    parents = (ROOT, code, *(code / room for room in layers()))
    for name in re.findall(r"`([\w./-]+(?:\.py|/))`", read(place)):
        assert any((parent / name).exists() for parent in parents), name
