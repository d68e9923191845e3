"""Loads a configuration as the training would, in a child process with a time limit."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dualwatch.agent.mmengine import DESCRIBE_CONFIG
from dualwatch.core.errors import DualwatchError
from dualwatch.core.plain import PlainDict, PlainValue, as_list
from dualwatch.core.unread import is_unread
from dualwatch.frameworks.base import ConfigTimeout

DESCRIBE = DESCRIBE_CONFIG
TIME_LIMIT = 120.0
_MARK = "dualwatch-config "


def describe(
    python: str,
    config: Path,
    options: Sequence[str],
    script_folder: Path,
    limit: float = TIME_LIMIT,
) -> PlainDict:
    """What the supervisor needs of a configuration; see ``agent/mmengine/describe_config.py``.

    Args:
        python: Interpreter of the training.
        options: ``K=V`` words, merged as the training merges them.
        script_folder: Folder of the training's script, first on its import path.
        limit: Seconds that loading may take.

    Raises:
        DualwatchError: The file is missing, does not load, or the interpreter lacks mmengine.
    """
    if not config.is_file():
        raise DualwatchError(
            f"the configuration {config} does not exist",
            why=f"looked for it from {Path.cwd()}",
            do="check the path; `dualwatch train --help` shows an example",
            code="DW602",
        )
    command = [python, str(DESCRIBE), str(script_folder), str(config), *options]
    # Our own PYTHONPATH counts as well: the training gets the same one.
    environ = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit,
            env=environ,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConfigTimeout(
            f"the configuration {config} did not load within {limit:.0f} s",
            why="loading it executes it: something in it does not end",
            do="load it by hand: python -c \"from mmengine import Config; Config.fromfile('...')\"",
            code="DW602",
        ) from None
    except OSError as error:
        raise DualwatchError(
            f"the Python of the training cannot be started: {python}",
            why=error.strerror or str(error),
            do="check --python",
        ) from None
    text = done.stdout.decode("utf-8", "replace")
    marked = [line for line in text.splitlines() if line.startswith(_MARK)]
    if not marked:
        tail = (done.stderr.decode("utf-8", "replace") or text).strip().splitlines()[-5:]
        raise DualwatchError(
            f"the configuration {config} does not load",
            why="\n".join(tail) or f"the loading process ended with code {done.returncode}",
            do="load it by hand with mmengine's Config.fromfile",
            code="DW602",
        )
    result: dict[str, PlainValue] = json.loads(marked[-1][len(_MARK) :])
    _raise_error(result, python, config)
    return result


def _raise_error(result: PlainDict, python: str, config: Path) -> None:
    if result.get("error") == "import":
        module = result.get("module") or "mmengine"
        raise DualwatchError(
            f"the training cannot run: {python} has no module {module!r}",
            why=str(result.get("text", "")),
            do="pip install 'dualwatch[train]' into that Python, or name the Python of your "
            "training with --python",
        )
    if result.get("error") == "load":
        trace = [line for line in map(str, as_list(result.get("trace"))) if str(config) in line]
        where = f"\n{trace[-1].strip()}" if trace else ""
        raise DualwatchError(
            f"the configuration {config} does not load",
            why=f"{result.get('kind')}: {result.get('text')}{where}",
            do="correct the configuration; nothing was started",
            code="DW602",
        )


def missing_data(
    description: PlainDict, roots: Sequence[Path] = (Path(),)
) -> list[tuple[str, str]]:
    """Data folders and annotation files that a configuration names and that are not there.

    Only what is surely a local path is looked at: a ``data_root``, and an ``ann_file`` under it.

    Args:
        description: A configuration, loaded or read.
        roots: Where relative paths may begin.

    Returns:
        (dotted key, path) of each.
    """
    absent: dict[str, str] = {}
    for loader in ("train_dataloader", "val_dataloader", "data"):
        for key, dataset in _datasets(loader, description.get(loader)):
            root, annotations = _local(dataset, "data_root"), _local(dataset, "ann_file")
            if root is None:
                continue
            folder = next((start / root for start in roots if os.path.isdir(start / root)), None)
            if folder is None:
                absent.setdefault(root, f"{key}.data_root")
            elif annotations is not None and not os.path.exists(folder / annotations):
                absent.setdefault(os.path.join(root, annotations), f"{key}.ann_file")
    return [(key, path) for path, key in absent.items()]


def _local(dataset: PlainDict, key: str) -> str | None:
    path = dataset.get(key)
    if not isinstance(path, str) or not path or "://" in path or is_unread(path):
        return None
    return path


def _datasets(key: str, value: PlainValue) -> Iterator[tuple[str, PlainDict]]:
    """Every dictionary below ``value`` that names a data root, wrappers and lists included."""
    if isinstance(value, Mapping):
        if "data_root" in value:
            yield key, value
        for name, item in value.items():
            yield from _datasets(f"{key}.{name}", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _datasets(f"{key}.{index}", item)
