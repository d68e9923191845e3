"""PyTorch Lightning as ``frameworks.base`` asks for it.

A Lightning training has no configuration: its script builds everything. What is known of it comes
from the agent inside it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from dualwatch.frameworks.base import Checkpoint
from dualwatch.frameworks.script import ScriptFramework
from dualwatch.frameworks.torch_files import fault_of
from dualwatch.protocol import RESCUE_NAME, Phase

_CHECKPOINTS = (
    RESCUE_NAME.format("*"),
    "*.ckpt",
    "checkpoints/*.ckpt",
    "lightning_logs/version_*/checkpoints/*.ckpt",
)
_STEP = re.compile(r"(?:step=|rescue_iter_)(\d+)")


class Lightning(ScriptFramework):
    """The adapter."""

    name = "lightning"
    modules = ("lightning", "pytorch_lightning")

    phases = {
        **dict.fromkeys(("setup_data", "_request_dataloader", "prepare_data"), Phase.BUILDING_DATA),
        **dict.fromkeys(("configure_model", "_call_setup_hook"), Phase.BUILDING),
        **dict.fromkeys(("restore_training_state", "restore_model"), Phase.LOADING),
        **dict.fromkeys(("training_step", "optimizer_step"), Phase.STEP),
        **dict.fromkeys(("validation_step", "test_step"), Phase.VAL_STEP),
        **dict.fromkeys(("on_validation_epoch_end", "compute_on_epoch_end"), Phase.METRICS),
        "save_checkpoint": Phase.SAVING,
    }
    collective_files = ("lightning/fabric/strategies/", "lightning_fabric/strategies/")
    advice = {
        "DW111": "DataLoader(..., num_workers=0) avoids it; Lightning only warns about the speed.",
        "DW117": "A data set that opens its files in __getitem__, not in __init__, pickles fast.",
        "DW401": "Trainer(accumulate_grad_batches=M) with a smaller batch keeps the effective one.",
        "DW601": "DataLoader(..., num_workers=0, persistent_workers=False)",
        "DW605": "trainer.fit(..., ckpt_path=None) starts without it.",
    }

    def newest_checkpoint(
        self, work_dir: Path, *, since: float, without: Collection[Path] = ()
    ) -> tuple[Checkpoint | None, list[str]]:
        passed: list[str] = []
        for written, path in sorted(_checkpoints(work_dir), reverse=True):
            if written < since - 1.0 or path in without:
                continue
            fault = fault_of(path)
            if fault is None:
                step = _STEP.search(path.name)
                return Checkpoint(path, False, int(step[1]) if step else 0), passed
            passed.append(f"{path.name}: {fault}")
        return None, passed

    def last_checkpoint(self, work_dir: Path) -> Path | None:
        return max(_checkpoints(work_dir), default=(0.0, None))[1]

    def resume_call(self, checkpoint: Path) -> str:
        return f"trainer.fit(..., ckpt_path={str(checkpoint)!r})"


def _checkpoints(work_dir: Path) -> list[tuple[float, Path]]:
    """Time of writing and path of every checkpoint of a run."""
    found = []
    for pattern in _CHECKPOINTS:
        for path in work_dir.glob(pattern):
            try:
                found.append((path.stat().st_mtime, path))
            except OSError:
                continue
    return found
