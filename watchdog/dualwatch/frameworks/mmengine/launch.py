"""The command of a training by OpenMMLab's conventions for ``tools/train.py``."""

from __future__ import annotations

from pathlib import Path

from dualwatch.frameworks.base import LaunchOptions, is_module, launcher


def command(options: LaunchOptions, script: Path, python: str) -> tuple[str, ...]:
    """The exact command; the user's script gets no argument that the user did not give."""
    words = [*launcher(options, python)]
    is_launched = len(words) > 1
    words += ["-m", str(script)] if is_module(script) else [str(script)]
    words += [str(options.config)]
    if options.work_dir is not None:
        words += ["--work-dir", str(options.work_dir)]
    if options.resume:
        words += ["--resume"]
    if options.amp:
        words += ["--amp"]
    words += ["--launcher", "pytorch"] if is_launched else []
    if options.cfg_options:
        words += ["--cfg-options", *options.cfg_options]
    return (*words, *options.extra)
