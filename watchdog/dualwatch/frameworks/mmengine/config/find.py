"""The configuration that the newest run in a work dir was started with, as dumped there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dualwatch.frameworks.mmengine.config.inherit import FORMS

_STAMPED = re.compile(r"\d{8}_\d{6}$")
_TELLING = re.compile(rb"^\s*['\"]?(?:train_dataloader|train_cfg|model|data|_base_)\b", re.M)
_HEAD = 1_000_000


def find(work_dir: Path, log: Path | None = None) -> Path | None:
    """The configuration that a run in a work dir was started with, as dumped there.

    mmengine leaves WORK_DIR/<time>/vis_data/config.py, which is that of one run, and
    WORK_DIR/<name of the configuration>, which each start overwrites. A modification time is that
    of the last copy: it decides only between several files of the second kind.

    Args:
        log: A file that the run left; by default it is the newest run.
    """
    run = _run_of(log) if log is not None else None
    if run is not None and (run / "vis_data" / "config.py").is_file():
        return run / "vis_data" / "config.py"
    try:
        dumps = list(_dumps(work_dir))
        of_runs = [path for path in dumps if path.parent.name == "vis_data"]
        if of_runs and run is None:
            return max(of_runs, key=lambda path: path.parts)
        others = [
            (path.stem == work_dir.absolute().name, path.stat().st_mtime, path)
            for path in dumps
            if path not in of_runs
        ]
    except OSError:
        return None
    return max(others)[2] if others else None


def _run_of(log: Path) -> Path | None:
    """The folder of one run that a file lies in; None for none."""
    return next((folder for folder in log.parents if _STAMPED.match(folder.name)), None)


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
