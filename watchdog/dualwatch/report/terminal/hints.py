"""Hints for the first run in a folder; only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from dualwatch.report.terminal.progress import is_watched

USUAL_PLACE = "work_dirs"


def is_first_run(work_dir: Path) -> bool:
    """Whether no work dir here has a dualwatch folder yet."""
    place = work_dir.parent
    folders = [work_dir]
    if place.name == USUAL_PLACE and place.is_dir():
        folders += place.iterdir()
    return not any((folder / "dualwatch").is_dir() for folder in folders)


def are_welcome(*, as_json: bool, quiet: bool) -> bool:
    """Whether stderr is a terminal and neither --json nor --quiet was given."""
    return not as_json and not quiet and is_watched(sys.stderr)


def first_run() -> Iterator[str]:
    """The hints, printed below the line with the work dir."""
    yield "hint: logs and checkpoints go there; dualwatch's own files to its dualwatch/"
    yield "hint: Ctrl-C saves a checkpoint and stops; a second Ctrl-C stops at once"
    yield "hint: `dualwatch config show` lists all settings (flags or dualwatch.toml)"
