"""A loop of the user's own on plain PyTorch, as ``frameworks.base`` asks for it.

It has no configuration, and where it reads a checkpoint from is its own matter. What is known of it
comes from the agent inside it (``agent.plain``).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from pathlib import Path

from dualwatch.frameworks.base import Checkpoint
from dualwatch.frameworks.script import ScriptFramework
from dualwatch.protocol import PLACE_FILE, RESCUE_FOLDER, RESCUE_NAME, Phase

_NUMBER = re.compile(r"\d+")

_LOOPS = frozenset(("backward", "step", "fit", "train"))
"""Methods that a script calls which trains, and a configuration does not."""


class PyTorch(ScriptFramework):
    """The adapter."""

    name = "pytorch"
    modules = ("torch", "accelerate", "transformers")
    begins_again = True

    phases = {"backward": Phase.STEP}
    advice = {
        "DW111": "DataLoader(..., num_workers=0) avoids it.",
        "DW117": "A data set that opens its files in __getitem__, not in __init__, pickles fast.",
        "DW401": "A smaller batch with gradients accumulated over several keeps the effective one.",
        "DW601": "DataLoader(..., num_workers=0, persistent_workers=False)",
    }

    def is_script(self, tree: ast.Module, imported: set[str]) -> bool:
        """A configuration may import torch as well: a script calls what trains."""
        calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
        trains = any(isinstance(one, ast.Attribute) and one.attr in _LOOPS for one in calls)
        return trains and super().is_script(tree, imported)

    def newest_checkpoint(
        self, work_dir: Path, *, since: float, without: Collection[Path] = ()
    ) -> tuple[Checkpoint | None, list[str]]:
        """The newest rescue checkpoint: where the script saves its own is not known."""
        paths = [
            *work_dir.glob(RESCUE_NAME.format("*")),
            *(path.parent for path in work_dir.glob(f"{RESCUE_FOLDER.format('*')}/{PLACE_FILE}")),
        ]
        found = [(path.stat().st_mtime, path) for path in paths]
        for written, path in sorted(found, reverse=True):
            number = _NUMBER.search(path.name)
            if written >= since - 1.0 and path not in without and number is not None:
                return Checkpoint(path, False, int(number[0])), []
        return None, []

    def resume_call(self, checkpoint: Path) -> str:
        if checkpoint.is_dir():
            return f"accelerator.load_state({str(checkpoint)!r})"
        return f"torch.load({str(checkpoint)!r}, weights_only=True)"
