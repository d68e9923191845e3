"""Trains as a configuration says; usage like MMDetection's ``tools/train.py``."""

import argparse

import chatter  # noqa: F401  Registers what the configurations name.
import counted  # noqa: F401
import logbook  # noqa: F401
from mmengine.config import Config, DictAction
from mmengine.runner import Runner


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--work-dir", required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    arguments = parser.parse_args()
    cfg = Config.fromfile(arguments.config)
    cfg.merge_from_dict(arguments.cfg_options or {})
    cfg.work_dir = arguments.work_dir
    cfg.resume = arguments.resume
    Runner.from_cfg(cfg).train()


if __name__ == "__main__":
    main()
