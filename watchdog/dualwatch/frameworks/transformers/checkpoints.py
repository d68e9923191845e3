"""The newest whole checkpoint of a Hugging Face Trainer, found without torch."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

from dualwatch.frameworks.base import Checkpoint
from dualwatch.frameworks.torch_files import fault_of

STATE = "trainer_state.json"

_NAME = re.compile(r"checkpoint-(\d+)$")
_RESUMED = ("optimizer.pt", "scheduler.pt")
"""Without these the Trainer starts its optimizer anew."""


def newest_good(
    output: Path, *, since: float, without: Collection[Path] = ()
) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint written since a time, and what was passed over and why.

    Args:
        output: The Trainer's output folder.
        since: Wall time, seconds.
        without: Those that are known not to load.
    """
    passed: list[str] = []
    for written, step, path in sorted(_found(output), reverse=True):
        if written < since - 1.0 or path in without:
            continue
        fault = _fault_of(path)
        if fault is None:
            return Checkpoint(path, False, step), passed
        passed.append(f"{path.name}: {fault}")
    return None, passed


def last_named(output: Path) -> Path | None:
    """The checkpoint that ``resume_from_checkpoint=True`` takes; None where there is none."""
    found = [(step, path) for _, step, path in _found(output)]
    return max(found)[1] if found else None


def _found(output: Path) -> list[tuple[float, int, Path]]:
    """Time of writing, step and folder of every checkpoint."""
    found = []
    for path in output.glob("checkpoint-*"):
        name = _NAME.match(path.name)
        if name is None:
            continue
        try:
            found.append((path.stat().st_mtime, int(name[1]), path))
        except OSError:
            continue
    return found


def _fault_of(folder: Path) -> str | None:
    """What is wrong with a checkpoint, None where it is whole. The state is written last."""
    try:
        json.loads((folder / STATE).read_bytes())
    except FileNotFoundError:
        return f"no {STATE}: it was not written to its end"
    except (OSError, ValueError) as error:
        return f"{STATE}: {error}"
    for name in _RESUMED:
        path = folder / name
        if not path.exists():
            return f"no {name}"
        fault = fault_of(path)
        if fault is not None:
            return f"{name}: {fault}"
    return None
