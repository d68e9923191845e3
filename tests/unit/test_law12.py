"""The core names no framework and no loss: adapters, domains and data files do."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "watchdog/dualwatch"

NAMES = re.compile(r"mmengine|mmdet|mmcv|macl|train_dataloader|lightning", re.I)

# The help of `cli/` shows examples; the agent's adapters live in the training.
ADAPTERS = ("agent/mmengine", "agent/lightning", "agent/transformers", "agent/accelerate")
FREE = ("frameworks", "domains", "cli", *ADAPTERS)


def named() -> dict[str, list[str]]:
    """Path below the package -> the lines of a core module that name a framework or a loss."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        below = path.relative_to(PACKAGE).as_posix()
        if below.startswith(tuple(f"{folder}/" for folder in FREE)):
            continue
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        hits = [line for line in lines if NAMES.search(line)]
        if hits:
            found[below] = hits
    return found


def test_the_core_names_no_framework_and_no_loss() -> None:
    assert named() == {}
