"""Loads a configuration as the training would, in a child process with a time limit."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from dualwatch.agent.mmengine import DESCRIBE_CONFIG
from dualwatch.core.errors import DualwatchError
from dualwatch.core.plain import PlainDict, PlainValue, as_list
from dualwatch.frameworks.base import ConfigTimeout
from dualwatch.frameworks.mmengine.config import load_errors

DESCRIBE = DESCRIBE_CONFIG
TIME_LIMIT = 120.0
PATIENCE = 5
"""Times the limit that is waited for a machine which gives the loading hardly any CPU."""

STARVED = 0.25
"""Share of the limit: what has used less CPU than that was not given its time yet."""

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
        limit: Seconds that loading may take; more where it works and was given little CPU.
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
    begun = time.monotonic()
    done, code, errors = _run(command, limit, environ)
    text = done.decode("utf-8", "replace")
    result = _marked(text, _MARK)
    if result is None and code is None:
        raise ConfigTimeout(
            f"the configuration {config} did not load within {time.monotonic() - begun:.0f} s",
            why="loading it executes it: something in it does not end, or this machine is too busy",
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
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
        )
    except OSError as error:
        raise DualwatchError(
            f"the Python of the training cannot be started: {command[0]}",
            why=error.strerror or str(error),
            do="check --python",
        ) from None
    with process:
        try:
            return _output(process, limit)
        finally:
            process.kill()


def _output(process: subprocess.Popen[bytes], limit: float) -> tuple[bytes, int | None, bytes]:
    begun, used, pause = time.monotonic(), 0.0, limit
    while True:
        try:
            output, errors = process.communicate(timeout=pause)
            return output, process.returncode, errors
        except subprocess.TimeoutExpired as error:
            before, used, pause = used, _cpu(process.pid), limit * STARVED
            over = time.monotonic() - begun >= limit * PATIENCE
            if over or used >= limit * STARVED or used <= before:
                process.kill()
                # Windows reads in threads, which have what was printed when the process has ended.
                output = process.communicate()[0] if os.name == "nt" else error.stdout or b""
                return output, None, b""


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has used; 0 where that is not shown."""
    import psutil

    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


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
        known = load_errors.explained(config, kind, text, str(result.get("cause") or ""))
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
