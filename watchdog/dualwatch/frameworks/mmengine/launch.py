"""The command of a training by OpenMMLab's conventions for ``tools/train.py``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dualwatch.frameworks.base import LaunchOptions, is_module


def command(options: LaunchOptions, script: Path, python: str) -> tuple[str, ...]:
    """The exact command; the user's script gets no argument that the user did not give."""
    words: list[str] = [python]
    launcher: Sequence[str] = ()
    if options.nproc_per_node is not None or options.nnodes > 1:
        words += ["-m", "torch.distributed.run"]
        words += [f"--nproc-per-node={options.nproc_per_node or 1}"]
        words += [f"--nnodes={options.nnodes}", f"--node-rank={options.node_rank}"]
        if options.rdzv_endpoint:
            words += ["--rdzv-backend=c10d", f"--rdzv-endpoint={options.rdzv_endpoint}"]
        else:
            words += ["--standalone"] if options.nnodes == 1 else []
        launcher = ("--launcher", "pytorch")
    words += ["-m", str(script)] if is_module(script) else [str(script)]
    words += [str(options.config)]
    if options.work_dir is not None:
        words += ["--work-dir", str(options.work_dir)]
    if options.resume:
        words += ["--resume"]
    if options.amp:
        words += ["--amp"]
    words += launcher
    if options.cfg_options:
        words += ["--cfg-options", *options.cfg_options]
    return (*words, *options.extra)
