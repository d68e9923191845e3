"""What holds for the whole of the source: the registry of codes, old Pythons, small modules."""

from __future__ import annotations

import ast
from pathlib import Path

import dualwatch
import pytest
from dualwatch.events import Severity
from dualwatch.rules import catalog

ROOT = Path(dualwatch.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
# Loaded by the Python of the training, which may be older than ours.
INSIDE = [
    *sorted((ROOT / "agent").rglob("*.py")),
    *sorted((ROOT / "protocol").rglob("*.py")),
    ROOT / "__init__.py",
]
LONGEST = 420

# Published in the contract of the program: a code keeps its name and its meaning for ever.
PUBLISHED = {
    "DW101": "stalled-startup",
    "DW102": "stalled-training",
    "DW103": "stalled-validation",
    "DW104": "slow-not-stalled",
    "DW105": "stalled-saving",
    "DW111": "loader-deadlock",
    "DW112": "worker-stuck-in-dataset",
    "DW113": "dataset-init-stuck",
    "DW114": "main-stuck-in-step",
    "DW115": "process-stopped",
    "DW116": "storage-stuck",
    "DW117": "slow-worker-start",
    "DW118": "collective-stuck",
    "DW201": "required-metric-missing",
    "DW202": "required-metric-vanished",
    "DW203": "non-finite-loss",
    "DW204": "metric-out-of-range",
    "DW205": "metric-not-converging",
    "DW211": "batch-unpaired",
    "DW212": "paired-but-no-loss",
    "DW213": "swallowed-exception",
    "DW301": "worker-killed",
    "DW302": "shared-memory-exhausted",
    "DW303": "too-many-open-files",
    "DW304": "worker-start-failed",
    "DW305": "worker-crashed",
    "DW306": "dataset-error",
    "DW307": "no-valid-sample",
    "DW311": "orphaned-workers",
    "DW401": "cuda-out-of-memory",
    "DW402": "gpu-memory-held",
    "DW403": "gpu-lost",
    "DW404": "gpu-not-observable",
    "DW501": "host-out-of-memory",
    "DW502": "disk-full",
    "DW503": "console-encoding",
    "DW504": "stacks-not-observable",
    "DW601": "risky-loader-settings",
    "DW602": "config-does-not-load",
    "DW603": "data-missing",
    "DW604": "pair-missing",
    "DW605": "resume-blocked",
    "DW606": "training-script-error",
    "DW801": "tensorboard-unreachable",
    "DW802": "tensorboard-tag-missing",
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- finding codes ---------------------------------------------------------------------------


def test_codes_are_unique_and_sorted() -> None:
    listed = [entry.code for entry in catalog.CODES]
    assert listed == sorted(set(listed))
    names = [entry.name for entry in catalog.CODES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("entry", catalog.CODES, ids=lambda entry: entry.code)
def test_a_code_is_documented_in_whole_sentences(entry) -> None:
    for text in (entry.means, entry.matters, entry.remedy):
        assert text.endswith("."), text
        assert text == " ".join(text.split()), "text has stray blanks"
        assert text[0].isupper() or text.startswith(("num_workers", "loss_macl", "dualwatch")), text
    assert isinstance(entry.severity, Severity)


@pytest.mark.parametrize("entry", catalog.CODES, ids=lambda entry: entry.code)
def test_a_published_code_keeps_its_name(entry) -> None:
    assert PUBLISHED.get(entry.code, entry.name) == entry.name


def test_every_code_in_the_source_can_be_explained() -> None:
    literals = {
        node.value
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    used = {text for text in literals if len(text) == 5 and text[:2] == "DW" and text[2:].isdigit()}
    assert used - set(catalog.BY_CODE) == set()


def test_every_published_code_can_be_explained() -> None:
    assert set(PUBLISHED) - set(catalog.BY_CODE) == set()


def test_every_published_code_is_named_by_a_rule() -> None:
    """One that no rule knows could never be found."""
    rules = [path for path in MODULES if ROOT / "rules" in path.parents]
    named = {
        node.value
        for path in rules
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(PUBLISHED) - named == set()


@pytest.mark.parametrize("entry", catalog.CODES, ids=lambda entry: entry.code)
def test_a_code_comes_with_a_short_example(entry) -> None:
    lines = entry.example.splitlines()
    assert 1 <= len(lines) <= 8
    assert all(line.strip() and line.rstrip() == line for line in lines)


def test_what_codes_explain_is_known_and_has_no_circle() -> None:
    """A circle of causes would leave no cause at all."""
    explains = {entry.code: set(entry.explains) for entry in catalog.CODES}
    assert set().union(*explains.values()) <= set(explains)
    while explains:
        # What explains nothing that is left is taken away, until nothing is.
        ends = {code for code, symptoms in explains.items() if not symptoms & set(explains)}
        assert ends, f"a circle among {sorted(explains)}"
        explains = {code: symptoms for code, symptoms in explains.items() if code not in ends}


# --- modules ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", INSIDE, ids=name_of)
def test_what_runs_inside_the_training_is_python_3_8(path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    # Lazy annotations let newer types be written, yet nothing may evaluate them: so none are.
    newer = {"removeprefix", "removesuffix", "pairwise", "slots", "kw_only"}
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    named |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}
    assert not named & newer


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_can_be_read_at_one_sitting(path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_what_it_is_for(path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_no_shell_and_no_wall_clock_for_durations() -> None:
    shells, clocks = [], []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                shells.append(name_of(path))
            if (
                isinstance(node, ast.BinOp)
                and isinstance(node.op, ast.Sub)
                and "time.time()" in (ast.unparse(node.left), ast.unparse(node.right))
            ):
                clocks.append(name_of(path))
    assert (shells, clocks) == ([], [])
