"""The configuration of a training: found beside its run and read as text, or named and loaded.

A file that was merely found is never executed. One that the user named is loaded as the training
would load it, in a child process with a time limit (``frameworks.mmengine.config.load``).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dualwatch.core import clock
from dualwatch.core.errors import DualwatchError
from dualwatch.core.text import clean
from dualwatch.datasets import pairs
from dualwatch.events import ConfigRead, NotFollowed
from dualwatch.frameworks.mmengine.config import fields, modality_names
from dualwatch.frameworks.mmengine.config import load as configs
from dualwatch.frameworks.mmengine.config.dump import goal
from dualwatch.frameworks.mmengine.config.inherit import FORMS, read_file
from dualwatch.frameworks.mmengine.config.static import StaticConfig

_STAMPED = re.compile(r"\d{8}_\d{6}$")
_TELLING = re.compile(rb"^\s*['\"]?(?:train_dataloader|train_cfg|model|data|_base_)\b", re.M)
_HEAD = 1_000_000


class FoundConfig(NamedTuple):
    """A configuration as an event, and what the event is made of.

    Attributes:
        values: What it assigns, empty where it does not load or was not read.
        roots: Where its relative paths may begin.
    """

    event: ConfigRead
    values: Mapping[str, Any]
    roots: tuple[Path, ...]


class ConfigPairs(NamedTuple):
    """How the pairs of its data sets are compared; see ``pairs.compare``."""

    all_pairs: bool = False
    tell: Callable[[int, int], None] = pairs.nobody


SAMPLED = ConfigPairs()


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


def read(path: Path, *, at: float, wall: float, folder: Path | None = None) -> ConfigRead:
    """Reads a configuration without executing it.

    Args:
        folder: Where its relative paths begin, as the folder of a process that trains; None where
            nobody tells.
    """
    return read_whole(path, at=at, wall=wall, folder=folder).event


def read_whole(
    path: Path,
    *,
    at: float,
    wall: float,
    folder: Path | None = None,
    how: ConfigPairs = SAMPLED,
) -> FoundConfig:
    """As ``read``, together with the values that were read."""
    found = read_file(path)
    error = "; ".join(found.problems) if not found.values else ""
    roots = _roots(path) if folder is None else (folder,)
    event = _fact(
        found.values,
        str(path),
        at,
        wall,
        how="read",
        platform=sys.platform,
        roots=roots,
        error=error,
        pairing=how,
        not_followed=found.not_followed,
    )
    return FoundConfig(event, found.values, roots)


def load(
    python: str,
    path: Path,
    cfg_options: Sequence[str],
    folder: Path,
    timeout: float = configs.TIME_LIMIT,
) -> ConfigRead:
    """Loads a configuration as the training would; why it does not load is part of the event.

    Without an interpreter that has mmengine it is read as text instead: that its Python is not
    known here says nothing against a configuration.

    Args:
        python: Interpreter of the training.
        folder: First on its import path.
        timeout: Seconds; where the configuration imports torch, that takes the most of it.
    """
    return load_whole(python, path, cfg_options, folder, timeout).event


def load_whole(
    python: str,
    path: Path,
    cfg_options: Sequence[str],
    folder: Path,
    timeout: float = configs.TIME_LIMIT,
    how: ConfigPairs = SAMPLED,
) -> FoundConfig:
    """As ``load``, together with the values that were loaded."""
    roots = (Path(),)
    try:
        values = configs.describe(python, path, cfg_options, folder, limit=timeout)
    except DualwatchError as error:
        at, wall = clock.now()
        if error.code != "DW602":
            return read_whole(path, at=at, wall=wall, folder=Path(), how=how)
        text = clean(f"{error.what}: {' '.join(error.why.split())}", 2000)
        event = _fact({}, str(path), at, wall, how="loaded", platform=sys.platform, error=text)
        return FoundConfig(event, {}, roots)
    at, wall = clock.now()
    return FoundConfig(of_description(values, path, at=at, wall=wall, how=how), values, roots)


def of_description(
    values: Mapping[str, Any], path: Path, *, at: float, wall: float, how: ConfigPairs = SAMPLED
) -> ConfigRead:
    """The event of a configuration that was just loaded for a training of this machine."""
    return _fact(
        values,
        str(path),
        at,
        wall,
        how="loaded",
        platform=sys.platform,
        roots=(Path(),),
        pairing=how,
    )


def of_log(found: StaticConfig, path: str, at: float, wall: float) -> ConfigRead:
    """The event of a configuration that a log holds. Its data may lie on another machine."""
    return _fact(found.values, path, at, wall, how="read", not_followed=found.not_followed)


def written_loader(path: Path) -> str | None:
    """The source text of ``train_dataloader``, of the nearest base where the file has none."""
    written = read_file(path).written
    return next((written[n] for n in ("train_dataloader", "data") if n in written), None)


def _fact(
    values: Mapping[str, Any],
    path: str,
    at: float,
    wall: float,
    *,
    how: str,
    platform: str = "",
    roots: Sequence[Path] = (),
    error: str = "",
    pairing: ConfigPairs = SAMPLED,
    not_followed: tuple[NotFollowed, ...] = (),
) -> ConfigRead:
    missing: dict[str, str] = {}
    unpaired: tuple[str, ...] = ()
    looked_at = 0
    if roots:
        missing = dict(configs.missing_data(values, roots))
        unpaired, looked_at = pairs.compare(values, roots=roots, **pairing._asdict())
    load_from, resumes = fields.start(values)
    epochs, iterations = goal(values)
    return ConfigRead(
        at=at,
        wall=wall,
        path=path,
        how=how,
        loaders=fields.loaders(values),
        start_method=fields.start_method(values),
        platform=platform,
        paired=modality_names.is_paired(values),
        missing=missing,
        unpaired=unpaired,
        looked_at=looked_at,
        model_words=fields.model_words(values),
        epochs=epochs,
        iterations=iterations,
        preprocessor=clean(fields.preprocessor(values), 200),
        backends=fields.backends(values),
        load_from=clean(load_from, 1000),
        resumes=resumes,
        error=error,
        not_followed=not_followed,
    )


# --- files -----------------------------------------------------------------------------------


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


def _roots(path: Path) -> tuple[Path, ...]:
    """Where the relative paths of a configuration that was found may begin.

    Nobody tells from where its training was started: here, or from a folder above its work dir.
    """
    return (Path(), *path.absolute().parents)
