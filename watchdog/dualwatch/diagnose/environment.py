"""The environment of the training: variables that affect hangs, and secrets to redact."""

from __future__ import annotations

import os

from dualwatch.diagnose.examine import Examination

NAMES = frozenset(
    (
        "CUDA_VISIBLE_DEVICES",
        "LOCAL_RANK",
        "MASTER_ADDR",
        "MASTER_PORT",
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "PYTHONIOENCODING",
        "PYTHONUTF8",
        "RANK",
        "WORLD_SIZE",
    )
)
STARTS = ("CUDA_", "KMP_", "NCCL_", "OPENCV_", "PYTORCH_", "SLURM_JOB", "TORCH_")


def of_training(done: Examination) -> dict[str, str]:
    """All of it; our own where the training is dead, none where it cannot be read."""
    if done.target.training is None:
        return dict(os.environ)
    import psutil

    try:
        return psutil.Process(done.target.training.pid).environ()
    except (psutil.Error, OSError) as error:
        done.not_observed["environment of the training"] = f"cannot be read: {error}"
        return {}


def bearing_on_hangs(environ: dict[str, str]) -> dict[str, str]:
    """Variables that change how workers, devices and collectives behave."""
    return {k: v for k, v in sorted(environ.items()) if k in NAMES or k.startswith(STARTS)}
