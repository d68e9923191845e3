"""What ``train CONFIG`` runs: framework, script, work dir. Light, as it comes before the start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from dualwatch import frameworks
from dualwatch.core.errors import DualwatchError
from dualwatch.frameworks.base import Framework, LaunchOptions, is_module


class Entry(NamedTuple):
    """Attributes:
    script: What is run; the named file itself where ``is_script``.
    """

    framework: Framework
    script: Path
    is_script: bool


def entry(options: LaunchOptions) -> Entry:
    """The framework and the script of a training.

    Raises:
        DualwatchError: The script that the user named does not exist.
    """
    found = frameworks.of_script(options.config) if options.script is None else None
    if found is not None:
        return Entry(found, options.config, is_script=True)
    framework = frameworks.of_config(options.config) or frameworks.default()
    return Entry(framework, _script(options.script, framework), is_script=False)


def _script(named: Path | None, framework: Framework) -> Path:
    """The named script or module, else the user's usual one, else the one that dualwatch ships."""
    if named is not None:
        if not named.is_file() and not is_module(named):
            raise DualwatchError(
                f"the script {named} does not exist",
                why=f"looked for it from {Path.cwd()}",
                do="correct --script",
            )
        return named
    usual = next((path for name in framework.scripts if (path := Path(name)).is_file()), None)
    return usual or framework.entry or Path(framework.scripts[0])


def work_dir(options: LaunchOptions, configured: str) -> Path:
    """The work dir of the command line, else of the configuration, else by the file's name.

    Args:
        configured: As the configuration names it, "" for none.
    """
    named = Path(configured) if configured else Path("work_dirs") / options.config.stem
    return Path(os.path.abspath(options.work_dir or named))
