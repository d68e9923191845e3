"""The built-in training script: runs any mmengine configuration.

Used where the user has no ``tools/train.py``. Takes the same arguments as MMDetection's, so that
one command line fits both. Run as a file, never imported by the supervisor.
"""

from __future__ import annotations

import argparse
import os
import sys


def main() -> None:
    """Builds the Runner of a configuration and trains."""
    # Python put this file's folder first; `custom_imports` of a user without a script of their
    # own should find modules of the current folder there instead.
    sys.path[0] = os.getcwd()
    arguments = _parse()
    os.environ.setdefault("LOCAL_RANK", str(arguments.local_rank))

    from mmengine.config import Config
    from mmengine.registry import RUNNERS
    from mmengine.runner import Runner

    cfg = Config.fromfile(arguments.config)
    cfg.launcher = arguments.launcher
    if arguments.cfg_options:
        cfg.merge_from_dict(arguments.cfg_options)
    if arguments.work_dir is not None:
        cfg.work_dir = arguments.work_dir
    elif cfg.get("work_dir") is None:
        stem = os.path.splitext(os.path.basename(arguments.config))[0]
        cfg.work_dir = os.path.join("work_dirs", stem)
    if arguments.amp:
        cfg.optim_wrapper.type = "AmpOptimWrapper"
        cfg.optim_wrapper.setdefault("loss_scale", "dynamic")
    if arguments.resume is not None:
        cfg.resume = True
        if arguments.resume != "auto":
            cfg.load_from = arguments.resume
        else:
            cfg.load_from = None

    runner = Runner.from_cfg(cfg) if "runner_type" not in cfg else RUNNERS.build(cfg)
    runner.train()


def _parse() -> argparse.Namespace:
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(description="Train any mmengine configuration")
    parser.add_argument("config")
    parser.add_argument("--work-dir")
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--resume", nargs="?", const="auto")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
