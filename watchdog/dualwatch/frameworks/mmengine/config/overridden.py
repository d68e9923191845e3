"""Variables that a configuration assigns anew, after its bases have used them.

``max_epochs = 40`` in a file whose base has computed ``train_cfg`` with its own ``max_epochs``
changes nothing: mmengine merges sections, and runs nothing of the base again. Read as text; nothing
is executed.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dualwatch.core.plain import PlainValue
from dualwatch.core.text import clean
from dualwatch.core.unread import is_unread
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.mmengine.config import inherit, static
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
    """

    values: dict[str, PlainValue] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    bases: list[Path] = field(default_factory=list)


class _Used(NamedTuple):
    file: Path
    value: PlainValue


def defects(path: Path) -> tuple[Defect, ...]:
    """The assignments of a file that have no effect. Never raises."""
    try:
        own = _read(path)
        return tuple(_defects(path, own)) if own is not None and own.bases else ()
    except (RecursionError, MemoryError):
        return ()


def _defects(path: Path, own: _File) -> Iterator[Defect]:
    before = _of_bases(own.bases)
    for name, line in own.lines.items():
        used = before.get(name)
        if used is None or name in _READ or name in own.used:
            continue
        value = own.values.get(name)
        if value is None or is_unread(value) or is_unread(used.value) or value == used.value:
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
            if name in base.used:
                found.setdefault(name, _Used(path, base.values.get(name)))
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
        found.used |= _names(statement)
    found.values = dict(reader.values)
    return found


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
