"""The plan of ``dualwatch run``: any command that trains, run as it is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from dualwatch import domains, frameworks
from dualwatch.core.errors import DualwatchError
from dualwatch.core.settings import Settings
from dualwatch.frameworks.base import Framework, TrainingSpec
from dualwatch.frameworks.interpreter import training_python
from dualwatch.supervisor.plan import Plan, milestones, policies

RUNS = "dualwatch-runs"
"""Folder of the runs that were given no ``--work-dir``."""


def make(words: Sequence[str], settings: Settings, work_dir: Path | None, now: datetime) -> Plan:
    """Settles the command, its framework, interpreter and work dir.

    Args:
        words: Of the command, as behind ``--``.
        now: Local time, for the name of a work dir.

    Raises:
        DualwatchError: There is no such program, or the script that it names does not exist.
    """
    program = _program(words)
    script = _script(words)
    name = _name(words, script)
    framework = _framework(script)
    spec = TrainingSpec(framework=framework.name)
    check = settings.check_policy()
    required, because = domains.required_metrics(check.required, check.required_from, ())
    folder = work_dir or Path(RUNS, f"{name}-{now:%Y%m%d-%H%M%S}")
    return Plan(
        config=script or Path(name),
        script=script or Path(name),
        python=_python(program, settings),
        work_dir=Path(os.path.abspath(folder)),
        command=(program, *words[1:]),
        required=required,
        required_because=because,
        spec=spec,
        milestones=milestones(check, Path(name), required),
        **policies(settings, spec),
        notes=(_note(framework),),
    )


def _program(words: Sequence[str]) -> str:
    """The program's file: later changes of PATH or folder do not matter to a rerun."""
    found = shutil.which(words[0])
    if found is None:
        raise DualwatchError(
            f"there is no program {words[0]}",
            why="it is not a file that can be run, and not in PATH",
            do="write the command as it works without dualwatch: dualwatch run -- python train.py",
        )
    return os.path.abspath(found)


def _script(words: Sequence[str]) -> Path | None:
    """The Python file that the command runs; None for a module or a program of another kind."""
    for word in words[1:]:
        if word == "-m":
            return None  # What follows is a module, or a launcher whose script comes later.
        if word.endswith(".py") and not word.startswith("-"):
            if Path(word).is_file():
                return Path(word)
            raise DualwatchError(
                f"the script {word} does not exist",
                why=f"looked for it from {Path.cwd()}",
                do="correct the command behind `--`",
            )
    return None


def _name(words: Sequence[str], script: Path | None) -> str:
    """A name for the run: that of its script or module, else of its program."""
    if script is not None:
        return script.stem
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else Path(words[0]).stem
    return module.rpartition(".")[2] or "run"


def _framework(script: Path | None) -> Framework:
    found = frameworks.of_script(script) if script is not None else None
    return found or frameworks.get("pytorch")


def _note(framework: Framework) -> str:
    if framework.name == "pytorch":
        return "followed by its PyTorch loaders and optimizers"
    return f"a training of {framework.name}"


def _python(program: str, settings: Settings) -> str:
    """The interpreter of the command, for TensorBoard; beside a launcher such as torchrun."""
    if settings.python:
        return settings.python
    if Path(program).name.lower().startswith("python"):
        return program
    name = "python.exe" if sys.platform == "win32" else "python"
    beside = Path(program).with_name(name)
    return str(beside) if beside.is_file() else training_python(None)
