"""Loads a configuration as the training would, in a child process with a time limit."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from dualwatch.agent.mmengine import DESCRIBE_CONFIG
from dualwatch.core.errors import DualwatchError
from dualwatch.core.plain import PlainDict, PlainValue, as_list
from dualwatch.frameworks.base import ConfigTimeout
from dualwatch.frameworks.mmengine.config import faults

DESCRIBE = DESCRIBE_CONFIG
TIME_LIMIT = 120.0
_MARK = "dualwatch-config "
_PARTS = "dualwatch-parts "


def describe(
    python: str,
    config: Path,
    options: Sequence[str],
    script_folder: Path,
    limit: float = TIME_LIMIT,
    build: bool = False,
) -> dict[str, PlainValue]:
    """What the supervisor needs of a configuration; see ``agent/mmengine/describe_config.py``.

    Args:
        python: Interpreter of the training.
        options: ``K=V`` words, merged as the training merges them.
        script_folder: Folder of the training's script, first on its import path.
        limit: Seconds that loading may take.
        build: Build the training's parts as a trial too: the result is under "parts", and the
            whole configuration under "whole". What does not end within the limit is left out.

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
    words = ["--build"] if build else []
    command = [python, str(DESCRIBE), *words, str(script_folder), str(config), *options]
    # Our own PYTHONPATH counts as well: the training gets the same one.
    environ = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done, code, errors = _run(command, limit, environ)
    text = done.decode("utf-8", "replace")
    result = _marked(text, _MARK)
    if result is None and code is None:
        raise ConfigTimeout(
            f"the configuration {config} did not load within {limit:.0f} s",
            why="loading it executes it: something in it does not end",
            do="load it by hand: python -c \"from mmengine import Config; Config.fromfile('...')\"",
            code="DW602",
        )
    if result is None:
        tail = (errors.decode("utf-8", "replace") or text).strip().splitlines()[-5:]
        raise DualwatchError(
            f"the configuration {config} does not load",
            why="\n".join(tail) or f"the loading process ended with code {code}",
            do="load it by hand with mmengine's Config.fromfile",
            code="DW602",
        )
    _raise_error(result, python, config)
    if build:
        ended = f"within {limit:.0f} s" if code is None else f"(exit code {code})"
        unfinished = {"skipped": {"all": f"building its parts as a trial did not end {ended}"}}
        result["parts"] = _marked(text, _PARTS) or unfinished
    return result


def _run(
    command: Sequence[str], limit: float, environ: Mapping[str, str]
) -> tuple[bytes, int | None, bytes]:
    """What it printed, its exit code (None: it did not end in time), and its errors."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit,
            env=environ,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return error.stdout or b"", None, b""
    except OSError as error:
        raise DualwatchError(
            f"the Python of the training cannot be started: {command[0]}",
            why=error.strerror or str(error),
            do="check --python",
        ) from None
    return done.stdout, done.returncode, done.stderr


def _marked(text: str, mark: str) -> dict[str, PlainValue] | None:
    """The document behind a mark; None where it was not printed as a whole."""
    lines = [line for line in text.splitlines() if line.startswith(mark)]
    try:
        found: dict[str, PlainValue] = json.loads(lines[-1][len(mark) :]) if lines else {}
    except ValueError:
        return None
    return found or None


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
        kind, text = str(result.get("kind")), str(result.get("text"))
        known = faults.explained(config, kind, text)
        if known is not None:
            raise DualwatchError(
                f"the configuration {config} does not load",
                why=f"{known.text} (mmengine: {kind})" if kind not in known.text else known.text,
                do=known.do,
                code="DW602",
            )
        trace = [line for line in map(str, as_list(result.get("trace"))) if str(config) in line]
        where = f"\n{trace[-1].strip()}" if trace else ""
        raise DualwatchError(
            f"the configuration {config} does not load",
            why=f"{kind}: {text}{where}",
            do=f'Change {config} where the error says; the whole traceback: python -c "from '
            f"mmengine import Config; Config.fromfile('{config}')\"",
            code="DW602",
        )
