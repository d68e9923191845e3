"""All that knows a training framework, one package each, and the registry of the adapters.

An adapter of another distribution is an entry point of the group ``dualwatch.frameworks`` that
names a subclass of ``base.Framework``.
"""

from __future__ import annotations

import ast
from pathlib import Path

from dualwatch.core import plugins
from dualwatch.frameworks.base import Framework, Sections, TrainingSpec
from dualwatch.frameworks.other_lines import OtherLines
from dualwatch.logs.formats import LineFormat

GROUP = "dualwatch.frameworks"
BUILT_IN = (
    "dualwatch.frameworks.mmengine.adapter:MMEngine",
    "dualwatch.frameworks.lightning.adapter:Lightning",
    "dualwatch.frameworks.transformers.adapter:Transformers",
    "dualwatch.frameworks.pytorch.adapter:PyTorch",
)

LOADER_KEY = "train_dataloader"
"""Key of the training loader in the document of ``diagnose --json`` and in the title above it."""

PLAIN = Framework()
"""A training of no framework that is known."""


def installed() -> tuple[Framework, ...]:
    """The adapters: those that dualwatch ships, then those of other distributions."""
    return plugins.load(GROUP, BUILT_IN, Framework)


def get(name: str) -> Framework:
    """The adapter of that name; ``PLAIN`` where there is none."""
    return next((one for one in installed() if one.name == name), PLAIN)


def default() -> Framework:
    """The adapter for what names no framework: a command line's CONFIG, and old journals."""
    return installed()[0]


def of_run(name: str, sections: Sections) -> TrainingSpec:
    """The configuration of a run whose journal names its framework, or is older than that."""
    if not sections:
        return TrainingSpec(framework=name)
    return (get(name) if name else default()).spec(sections)


def of_config(config: Path) -> Framework | None:
    """The adapter that may load a file as its configuration; None for none."""
    return next((one for one in installed() if one.takes(config)), None)


def of_script(script: Path) -> Framework | None:
    """The adapter for a training script, by what it imports; None for none. Executes nothing."""
    try:
        tree = ast.parse(script.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            imported.add(node.module.partition(".")[0])
    return next((one for one in installed() if one.is_script(tree, imported)), None)


def line_formats() -> tuple[LineFormat, ...]:
    """New readers of all frameworks' log lines, for one stream."""
    formats = (one.line_format() for one in installed())
    return (*(one for one in formats if one is not None), OtherLines())
