"""The newest whole checkpoint of a work dir, found without torch."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from dualwatch.frameworks.base import Checkpoint
from dualwatch.frameworks.torch_files import fault_of

_NAME = re.compile(r"(epoch|iter|rescue_iter)_(\d+)\.pth$")


def newest_good(
    work_dir: Path, *, since: float, without: Collection[Path] = ()
) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint written since a time.

    Older ones may belong to another run of the same folder: continuing from them would be
    another training.

    Args:
        since: Wall time, seconds.
        without: Those that are known not to load.

    Returns:
        The checkpoint, and what was passed over with the reason.
    """
    passed: list[str] = []
    found: list[tuple[float, int, Checkpoint]] = []
    for path in work_dir.glob("*.pth"):
        match = _NAME.match(path.name)
        if match is None or path in without:
            continue
        try:
            written = path.stat().st_mtime
        except OSError as error:
            passed.append(f"{path.name}: {error.strerror}")
            continue
        if written >= since - 1.0:  # File systems round times, some to a second.
            number = int(match[2])
            found.append((written, number, Checkpoint(path, match[1] == "epoch", number)))
    for _, _, checkpoint in sorted(found, key=lambda item: item[:2], reverse=True):
        fault = fault_of(checkpoint.path)
        if fault is None:
            return checkpoint, passed
        passed.append(f"{checkpoint.path.name}: {fault}")
    return None, passed


def last_named(work_dir: Path) -> Path | None:
    """The checkpoint that mmengine's own ``--resume`` takes; None where none is named."""
    try:
        text = (work_dir / "last_checkpoint").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
    return Path(text) if text else None
