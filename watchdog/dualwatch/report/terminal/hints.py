"""A word to who uses it for the first time: once, on a terminal, and never in the way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from dualwatch.report.terminal.progress import is_watched

USUAL_PLACE = "work_dirs"


def is_first_run(work_dir: Path) -> bool:
    """Whether nothing shows that dualwatch was ever used here."""
    place = work_dir.parent
    folders = [work_dir]
    if place.name == USUAL_PLACE and place.is_dir():
        folders += place.iterdir()
    return not any((folder / "dualwatch").is_dir() for folder in folders)


def are_welcome(*, as_json: bool, quiet: bool) -> bool:
    """Whether somebody sits there who did not ask for silence."""
    return not as_json and not quiet and is_watched(sys.stderr)


def first_run() -> Iterator[str]:
    """What one wants to know at the first start, after where the work dir is."""
    yield "hint: logs and checkpoints go there; dualwatch's own record to its dualwatch/"
    yield "hint: Ctrl-C saves a checkpoint where it can, stops in order; twice hurries"
    yield "hint: `dualwatch config show` lists what can be set (dualwatch.toml or flags)"
