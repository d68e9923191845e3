"""The Trainer of Hugging Face transformers as ``frameworks.base`` asks for it.

It keeps no log: each ``checkpoint-N`` holds a ``trainer_state.json`` with the history so far. Its
scripts have no configuration, and lines of its console are read by ``logs.plain_lines``.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from dualwatch.core.metric_names import of_evaluation
from dualwatch.events import EvaluationLogged, Event, GoalAnnounced, IterationLogged
from dualwatch.frameworks.base import Checkpoint
from dualwatch.frameworks.script import ScriptFramework
from dualwatch.frameworks.transformers import checkpoints
from dualwatch.frameworks.transformers.checkpoints import STATE
from dualwatch.protocol import Phase

MOST_BYTES = 64 << 20

_BESIDE = ("epoch", "step", "total_flos")


class Transformers(ScriptFramework):
    """The adapter."""

    name = "transformers"
    modules = ("transformers", "trl")

    phases = {
        **dict.fromkeys(("get_train_dataloader", "get_eval_dataloader"), Phase.BUILDING_DATA),
        **dict.fromkeys(("_prepare_for_training", "create_optimizer"), Phase.BUILDING),
        "_load_from_checkpoint": Phase.LOADING,
        "training_step": Phase.STEP,
        "prediction_step": Phase.VAL_STEP,
        "compute_metrics": Phase.METRICS,
        "_save_checkpoint": Phase.SAVING,
    }
    advice = {
        "DW111": "TrainingArguments(dataloader_num_workers=0) avoids it.",
        "DW117": "A data set that opens its files in __getitem__, not in __init__, pickles fast.",
        "DW401": "per_device_train_batch_size=B/M with gradient_accumulation_steps=M keeps the "
        "effective batch.",
        "DW601": "TrainingArguments(dataloader_num_workers=0, dataloader_persistent_workers=False)",
        "DW605": "trainer.train(resume_from_checkpoint=None) starts without it.",
    }

    def is_script(self, tree: ast.Module, imported: set[str]) -> bool:
        """A loop of its own may use models of transformers: a script makes a Trainer here."""
        calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
        names = {one.id if isinstance(one, ast.Name) else getattr(one, "attr", "") for one in calls}
        makes = any(name.endswith("Trainer") for name in names)
        return makes and super().is_script(tree, imported)

    def newest_checkpoint(
        self, work_dir: Path, *, since: float, without: Collection[Path] = ()
    ) -> tuple[Checkpoint | None, list[str]]:
        return checkpoints.newest_good(work_dir, since=since, without=without)

    def last_checkpoint(self, work_dir: Path) -> Path | None:
        return checkpoints.last_named(work_dir)

    def resume_call(self, checkpoint: Path) -> str:
        return f"trainer.train(resume_from_checkpoint={str(checkpoint)!r})"

    def scalars(self, path: Path, newest: int) -> list[Event]:
        if path.name != STATE:
            return []
        return list(_events(path, newest))


def _events(path: Path, newest: int) -> Iterator[Event]:
    wall = path.stat().st_mtime
    with path.open("rb") as stream:
        data = stream.read(MOST_BYTES)
    try:
        state = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(state, Mapping) or not isinstance(state.get("log_history"), list):
        return
    total = state.get("max_steps")
    total = total if type(total) is int and total > 0 else None
    if total is not None:
        yield GoalAnnounced(at=0.0, wall=wall, iterations=total)
    for row in state["log_history"][-newest:]:
        event = _row(row, wall, total) if isinstance(row, Mapping) else None
        if event is not None:
            yield event


def _row(row: Mapping[str, object], wall: float, total: int | None) -> Event | None:
    step = row.get("step")
    if type(step) is not int:
        return None
    values = {
        str(key): float(value)
        for key, value in row.items()
        if isinstance(value, (int, float)) and key not in _BESIDE
    }
    if results := of_evaluation(values):
        return EvaluationLogged(
            at=0.0, wall=wall, mode="val", epoch=None, iteration=step, total=None, metrics=results
        )
    if "loss" not in values:
        return None  # The summary of the whole training.
    return IterationLogged(
        at=0.0, wall=wall, mode="train", epoch=None, iteration=step, total=total, metrics=values
    )
