"""The position in the data: added to every checkpoint of a Lightning training, restored on resume.

Lightning counts the batches of an epoch that were trained on, and resumes with the first ones of
another order. With the position the epoch continues at the exact sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualwatch.agent import files
from dualwatch.agent.torch import loader_guard, rng

if TYPE_CHECKING:
    from dualwatch.agent.lightning.objects import LightningRunner, SavedPosition

KEY = "dualwatch"


def add(runner: LightningRunner, checkpoint: dict[str, SavedPosition]) -> None:
    """Adds the position to a checkpoint that is being saved, in the middle of an epoch.

    Args:
        runner: Lightning's Trainer.
    """
    guards = [loader_guard.guard_of(loader) for loader in _loaders(runner)]
    if len(guards) != 1 or guards[0] is None or int(runner.world_size) > 1:
        return
    guard = guards[0]
    position = guard.tracker.position()
    if position is None or not 0 < position["batches"] < runner.num_training_batches:
        return
    checkpoint[KEY] = {
        "position": position,
        "order": guard.order_state,
        "random": rng.states(),
    }


def of(checkpoint: dict[str, SavedPosition]) -> SavedPosition | None:
    """The position in a checkpoint; None where it has none."""
    found = checkpoint.get(KEY)
    return found if isinstance(found, dict) and "position" in found else None


def restore(runner: LightningRunner, loader: object, saved: SavedPosition) -> bool:
    """Continues at a position, if a loader is the training's; whether it is.

    Args:
        loader: In care, before its first iterator is made.
    """
    guard = loader_guard.guard_of(loader)
    if guard is None or not any(one is loader for one in _loaders(runner)):
        return False
    position = saved["position"]
    if runner.fit_loop.epoch_loop.batch_progress.current.ready != position["batches"]:
        files.note("the position in the checkpoint is not that of its epoch: the epoch is repeated")
        return True
    guard.tracker.resume(position, batches=position["batches"])
    guard.resume_order = saved["order"]
    guard.on_first = lambda: rng.restore(saved["random"])
    return True


def _loaders(runner: LightningRunner) -> list[object]:
    combined = getattr(runner.fit_loop, "_combined_loader", None)
    return list(getattr(combined, "flattened", ()))
