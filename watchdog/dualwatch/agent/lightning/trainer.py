"""A training of Lightning's Trainer: overrides, guarded loaders, rescue checkpoints."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dualwatch import protocol
from dualwatch.agent import files, framework_calls
from dualwatch.agent.lightning import position
from dualwatch.agent.lightning.phases import PhaseTracker
from dualwatch.agent.torch import loader_guard
from dualwatch.agent.trainer import RescueError, Trainer
from dualwatch.protocol import Phase

if TYPE_CHECKING:
    from dualwatch.agent.lightning.objects import LightningModule, LightningRunner, SavedPosition


def install(module: LightningModule) -> None:
    """Wraps ``Trainer.fit``."""

    def follow(runner):
        return LightningTrainer(runner, module.Callback)

    # Lightning reports errors by its callbacks.
    framework_calls.wrap(module.Trainer, "fit", follow, rescues=False)


class LightningTrainer(Trainer):
    """A ``fit`` of Lightning's Trainer.

    Args:
        runner: Lightning's Trainer.
        callback_class: Lightning's Callback, of whichever of its two packages is in use.

    Attributes:
        resumed: Position of the checkpoint that was loaded, until the training's loader begins.
    """

    framework = "lightning"
    packages = ("lightning", "pytorch_lightning")
    described = "a Lightning training"

    def __init__(self, runner: LightningRunner, callback_class: type) -> None:
        super().__init__()
        self.runner = runner
        self.resumed: SavedPosition | None = None
        callbacks = [one for one in runner.callbacks if not hasattr(one, "dualwatch")]
        # First, so that a step of another callback's counts as a part of the iteration.
        runner.callbacks = [
            framework_calls.callback(callback_class, PhaseTracker(self)),
            *callbacks,
        ]
        if not hasattr(runner.save_checkpoint, "__wrapped__"):
            runner.save_checkpoint = self.during(Phase.SAVING, runner.save_checkpoint)
        loader_guard.guard_every_loader(self.guard)
        if self.commands is not None:
            self.commands.listen()

    def apply_overrides(self, arguments: dict[str, object]) -> None:
        """Applies the supervisor's overrides to the arguments of ``fit``, and reports them."""
        folder = str(self.runner.log_dir or self.runner.default_root_dir)
        self.report(*self.take_overrides(arguments, "ckpt_path"), folder)

    def guard(self, loader: object) -> object:
        """Takes a loader into care, and brings it to the position of the checkpoint."""
        super().guard(loader)
        if self.resumed is not None and position.restore(self.runner, loader, self.resumed):
            self.resumed = None
        return loader

    def save(self, *, without_last: bool = False) -> str:
        """Saves a rescue checkpoint beside the run's own; see ``Trainer.save``."""
        runner, heart = self.runner, self.heart
        if int(getattr(runner, "world_size", 1)) > 1:
            raise RescueError("several ranks: each stopped at another position")
        if heart.begun < 0 or heart.iteration <= heart.begun or runner.sanity_checking:
            raise RescueError("nothing was trained since the start")
        folder = str(runner.log_dir or runner.default_root_dir)
        path = os.path.join(folder, protocol.RESCUE_NAME.format(heart.iteration))
        os.makedirs(folder, exist_ok=True)
        runner.save_checkpoint(path + ".part")
        files.replace(path + ".part", path)
        return path
