"""A real mmengine training, small enough for a test, with a fault chosen by its configuration.

Usage like MMDetection's ``tools/train.py``. Under ``torchrun`` each rank joins a gloo group:
mmengine's own start needs GPUs, so the model averages the gradients by itself.
"""

import argparse
import os
import resource
from datetime import timedelta

# Their classes are registered when they are imported.
import faulty_datasets  # noqa: F401
import faulty_hooks  # noqa: F401
import faulty_models  # noqa: F401
import faulty_transforms  # noqa: F401
import faulty_waits  # noqa: F401
import locked_datasets  # noqa: F401
import silent_models  # noqa: F401
import torch
from mmengine.config import Config, DictAction
from mmengine.runner import Runner


def main():
    """Trains as the configuration says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--work-dir")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    parser.add_argument("--launcher")
    arguments = parser.parse_args()
    cfg = Config.fromfile(arguments.config)
    cfg.merge_from_dict(arguments.cfg_options or {})
    cfg.work_dir = arguments.work_dir
    cfg.resume = arguments.resume
    if "WORLD_SIZE" in os.environ:
        torch.distributed.init_process_group(
            "gloo", timeout=timedelta(seconds=cfg.get("collective_timeout", 1800))
        )
    for name, most in cfg.get("limits", {}).items():
        number = getattr(resource, f"RLIMIT_{name}")
        # Both, since mmengine raises the soft one as far as it may.
        resource.setrlimit(number, (most, most))
    if cfg.get("sharing"):
        torch.multiprocessing.set_sharing_strategy(cfg.sharing)
    Runner.from_cfg(cfg).train()


if __name__ == "__main__":
    main()
