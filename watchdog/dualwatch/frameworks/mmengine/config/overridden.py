"""Variables that a configuration assigns anew, after its bases have used them.

``max_epochs = 40`` in a file whose base has computed ``train_cfg`` with its own ``max_epochs``
changes nothing: mmengine merges sections, and runs nothing of the base again. Read as text; nothing
is executed.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dualwatch.core.plain import PlainDict, PlainValue, as_list
from dualwatch.core.text import clean
from dualwatch.core.unread import is_unread
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.mmengine.config import inherit, static
from dualwatch.frameworks.mmengine.config.expressions import MAX_NESTING, root
from dualwatch.frameworks.mmengine.config.literal import LiteralReader

MAX_FILES = 50
_SHOWN = 60
_MARKED = re.compile(r"_base_\.(\w+)")

_READ = frozenset(
    {
        "model",
        "train_dataloader",
        "val_dataloader",
        "test_dataloader",
        "train_cfg",
        "val_cfg",
        "test_cfg",
        "optim_wrapper",
        "param_scheduler",
        "val_evaluator",
        "test_evaluator",
        "default_hooks",
        "custom_hooks",
        "data_preprocessor",
        "load_from",
        "resume",
        "launcher",
        "env_cfg",
        "log_processor",
        "log_level",
        "visualizer",
        "default_scope",
        "randomness",
        "experiment_name",
        "work_dir",
        "auto_scale_lr",
        "custom_imports",
        "runner_type",
        "tta_model",
        "tta_pipeline",
        "model_wrapper_cfg",
        "compile",
        "log_config",
        "data",
        "runner",
        "optimizer",
        "optimizer_config",
        "lr_config",
        "evaluation",
        "checkpoint_config",
        "total_epochs",
        "resume_from",
        "workflow",
        "dist_params",
        "gpu_ids",
        "seed",
        "find_unused_parameters",
        "_base_",
    }
)
"""Names that mmengine, mmcv or their scripts read from a configuration."""


@dataclass
class _File:
    """What one file assigns and uses.

    Attributes:
        values: Name -> value, as far as it is read.
        lines: Name -> line of its last assignment.
        used: Names that its other statements use.
        flows: Name -> the names that are assigned with its value.
    """

    values: dict[str, PlainValue] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    flows: dict[str, set[str]] = field(default_factory=dict)
    bases: list[Path] = field(default_factory=list)

    def sections(self, name: str) -> set[str]:
        """The sections that the file computes with a variable."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            more = self.flows.get(waiting.pop(), set()) - found
            found |= more
            waiting += more
        return found & _READ


class _Used(NamedTuple):
    """A variable that a base has used, and the sections that it has used it for."""

    file: Path
    value: PlainValue
    sections: set[str]


def defects(path: Path, values: PlainDict) -> tuple[Defect, ...]:
    """The assignments of a file that have no effect. Never raises.

    Args:
        values: The configuration as a whole: one that says the same in its sections means both.
    """
    try:
        own = _read(path)
        return tuple(_defects(path, own, values)) if own is not None and own.bases else ()
    except (RecursionError, MemoryError):
        return ()


def _defects(path: Path, own: _File, values: PlainDict) -> Iterator[Defect]:
    before = _of_bases(own.bases)
    for name, line in own.lines.items():
        used = before.get(name)
        if used is None or name in _READ or name in own.used:
            continue
        value = own.values.get(name)
        if value is None or is_unread(value) or is_unread(used.value) or value == used.value:
            continue
        sections = [values.get(section) for section in used.sections]
        if _occurs(value, sections) and not _occurs(used.value, sections):
            continue
        base = os.path.relpath(used.file, path.parent)
        was = f"={_shown(used.value)}" if _is_short(used.value) else ""
        now = f"={_shown(value)}" if _is_short(value) else ""
        yield Defect(
            kind=DefectKind.SCHEDULE,
            key=name,
            text=f"{name}{now} in line {line} of {path.name} has no effect: {base} has used its "
            f"own {name}{was} already, and nothing in {path.name} uses the new one",
            do=f"Override the section that {base} computes with {name}, or use {name} there in "
            f"{path.name}.",
            prevents=False,
        )


def _is_short(value: PlainValue) -> bool:
    return len(repr(value)) <= _SHOWN


def _shown(value: PlainValue) -> str:
    return clean(repr(value), _SHOWN)


def _of_bases(bases: list[Path]) -> dict[str, _Used]:
    """Variables that a base assigns and uses itself, each of the base nearest to the file."""
    found: dict[str, _Used] = {}
    seen: set[str] = set()
    waiting = list(bases)
    while waiting and len(seen) < MAX_FILES:
        path = waiting.pop(0)
        if os.path.realpath(path) in seen:
            continue
        seen.add(os.path.realpath(path))
        base = _read(path)
        if base is None:
            continue
        for name in base.lines:
            sections = base.sections(name)
            if sections:
                found.setdefault(name, _Used(path, base.values.get(name), sections))
        waiting += base.bases
    return found


def _read(path: Path) -> _File | None:
    """One file; None where it is not Python that can be read."""
    try:
        if path.suffix != ".py" or path.stat().st_size > static.MAX_CHARS:
            return None
        text = path.read_text("utf-8")
        tree, lines = static.parse(text)
    except (OSError, ValueError, SyntaxError):
        return None
    reader, found = LiteralReader(lines), _File()
    for statement in tree.body:
        reader.take(statement)
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    found.lines[target.id] = statement.lineno
        found.bases += _bases(statement, lines, path)
        names = _names(statement)
        found.used |= names
        for name in names:
            found.flows.setdefault(name, set()).update(_targets(statement))
    found.values = dict(reader.values)
    return found


def _targets(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement assigns, or changes a part of."""
    nodes: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        nodes = list(statement.targets)
    elif isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
        nodes = [statement.target]
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        nodes = [statement.value.func]
    for node in nodes:
        name = root(node)
        if name is not None:
            yield name


def _occurs(wanted: PlainValue, value: PlainValue, depth: int = 0) -> bool:
    """Whether a value is part of another one; a text also as the beginning of one."""
    if value == wanted:
        return True
    are_lists = isinstance(wanted, (list, tuple)) and isinstance(value, (list, tuple))
    if are_lists and list(as_list(wanted)) == list(as_list(value)):
        return True  # JSON has made lists of tuples.
    if isinstance(wanted, str) and isinstance(value, str):
        return bool(wanted) and value.startswith(wanted)
    inner = value.values() if isinstance(value, Mapping) else as_list(value)
    return depth < MAX_NESTING and any(_occurs(wanted, part, depth + 1) for part in inner)


def _names(statement: ast.stmt) -> set[str]:
    """Names that a statement reads or changes in place."""
    found = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and _is_read(n)}
    texts = [n.value for n in ast.walk(statement) if isinstance(n, ast.Constant)]
    for text in texts:
        if isinstance(text, str) and "{{" in text:
            found.update(_MARKED.findall(text))
    return found


def _is_read(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)


def _bases(statement: ast.stmt, lines: list[str], path: Path) -> Iterator[Path]:
    """The files that a statement builds on, of either style; those that exist."""
    named = inherit.assigned_base(statement)
    places: list[Path] = []
    try:
        if named is not None:
            value = LiteralReader(lines).value(named)
            listed = value if isinstance(value, (list, tuple)) else [value]
            names = [one for one in listed if isinstance(one, str) and not is_unread(one)]
            places = [inherit.located(one, path) for one in names]
        elif isinstance(statement, ast.With) and inherit.reads_base(statement):
            for inner in statement.body:
                if isinstance(inner, ast.ImportFrom) and inner.module:
                    places.append(inherit.module_file(inner.module, inner.level, path))
    except inherit.NotFollowedError:
        pass
    yield from (place for place in places if place.is_file())
