"""The configuration that the newest run in a work dir was started with, as dumped there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dualwatch.frameworks.mmengine.config.inherit import FORMS

_STAMPED = re.compile(r"\d{8}_\d{6}$")
_TELLING = re.compile(rb"^\s*['\"]?(?:train_dataloader|train_cfg|model|data|_base_)\b", re.M)
_HEAD = 1_000_000


def find(work_dir: Path) -> Path | None:
    """The configuration that the newest run in a work dir was started with, as dumped there.

    mmengine leaves WORK_DIR/<name of the configuration> and WORK_DIR/<time>/vis_data/config.py;
    each start overwrites the one and makes another of the other.
    """
    try:
        found = [(path.stat().st_mtime, path) for path in _dumps(work_dir)]
    except OSError:
        return None
    return max(found)[1] if found else None


def _dumps(work_dir: Path) -> Iterator[Path]:
    """Files that are configurations, by their place or by what they assign."""
    for path in work_dir.iterdir():
        if path.suffix in FORMS and path.is_file():
            if _TELLING.search(_head(path)):
                yield path
        elif _STAMPED.match(path.name):
            dumped = path / "vis_data" / "config.py"
            if dumped.is_file():
                yield dumped
    own = work_dir / "vis_data" / "config.py"  # The folder of one run was named.
    if own.is_file():
        yield own


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD)
    except OSError:
        return b""
