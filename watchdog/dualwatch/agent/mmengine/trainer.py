"""A training of mmengine's Runner: overrides before it is built, rescue checkpoints in it."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING

from dualwatch.agent import files, ranks
from dualwatch.agent.mmengine import checkpoint, overrides, phases, position, resume
from dualwatch.agent.mmengine import ranks as own_ranks
from dualwatch.agent.mmengine import rehearsal as rehearsals
from dualwatch.agent.torch import loader_guard
from dualwatch.agent.trainer import RescueError, Trainer, is_loader_worker
from dualwatch.protocol import VALIDATION_PHASES

if TYPE_CHECKING:
    from types import TracebackType

    from dualwatch.agent.mmengine.objects import (
        LoadedState,
        RescuedState,
        Runner,
        RunnerModule,
        SavedPosition,
    )
    from dualwatch.agent.torch.objects import Module

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")

_SWAPPING = ("before_val_epoch", "after_val_epoch", "before_test_epoch", "after_test_epoch")
"""Stages in which an averaged model (EMA) takes the place of the trained one, and back."""


def install(module: RunnerModule) -> None:
    """Wraps ``Runner.__init__``: every way to a Runner goes through it."""
    runner_class = module.Runner
    original = runner_class.__init__

    @functools.wraps(original)
    def __init__(self, *args, **kwargs):
        trainer = None
        if not is_loader_worker():
            try:
                trainer, kwargs = _begin(original, self, args, kwargs)
                args = ()
            except Exception:
                files.note_error("applying the overrides")
        original(self, *args, **kwargs)
        if trainer is not None:
            try:
                trainer.runner_built(self)
            except Exception:
                files.note_error("following the Runner")

    runner_class.__init__ = __init__  # type: ignore[method-assign]


def _begin(original, runner, args, kwargs) -> tuple[MMEngineTrainer, dict[str, object]]:
    """The trainer of a Runner that is about to be built, and the Runner's arguments."""
    trainer = MMEngineTrainer()
    # By name: overrides are applied to positional arguments as well.
    bound = inspect.signature(original).bind(runner, *args, **kwargs)
    named = dict(bound.arguments)
    named.pop("self", None)
    applied, refused = overrides.apply(trainer.orders.overrides, named)
    if trainer.orders.rehearsal is not None:
        rehearsals.contain(named, trainer.orders.rehearsal["work_dir"])
    resume.allow_safe_classes()
    for name in LOADERS:  # Those that the script built itself.
        trainer.guard(named.get(name))
    trainer.report(applied, refused, str(named.get("work_dir", ".")))
    return trainer, named


class MMEngineTrainer(Trainer):
    """A Runner's training.

    Attributes:
        saving: A rescue checkpoint is being written and gets what only a rescue contains.
    """

    framework = "mmengine"
    packages = ("mmengine", "mmcv", "mmdet")

    def __init__(self) -> None:
        super().__init__()
        self._runner: Runner | None = None
        self._rehearsal: rehearsals.Rehearsal | None = None
        self.saving = False
        self._phases = phases.PhaseTracker(self)
        self._validation_is_due = False
        self._parts: dict[int, RescuedState] = {}

    def runner_built(self, runner: Runner) -> None:
        """Follows the Runner from now on."""
        self._runner = runner
        self._phases.follow(runner)
        if self.orders.rehearsal is not None:
            self._rehearsal = rehearsals.Rehearsal(self.folder, self.orders.rehearsal)
            self._rehearsal.follow(runner)
        if self.commands is not None:
            runner.train = self.rescuing(runner.train)
            self.commands.listen()

    def write_weights(self, model: Module, checkpoint: object) -> None:
        """Records how the weights of a checkpoint fit; see ``Trainer.write_weights``."""
        if self._rehearsal is None or not self._rehearsal.resumes:
            super().write_weights(model, checkpoint)

    @property
    def runner(self) -> Runner:
        """The Runner.

        Raises:
            RescueError: It is not built yet.
        """
        if self._runner is None:
            raise RescueError("the Runner is not built yet")
        return self._runner

    # --- saving ----------------------------------------------------------------------------------

    def save(self, *, without_last: bool = False) -> str:
        """Saves a rescue checkpoint and returns its path; see ``Trainer.save``."""
        if position.world(self.runner) > 1:
            raise RescueError("several ranks: each stopped at another position")
        return self._save(without_last)

    def save_together(self) -> str:
        """Saves one checkpoint of all ranks, which stopped after the same iteration.

        The first rank writes it, with what the others put into the attempt's folder: their
        positions in the data and their random states. The parameters are the same.

        Returns:
            Its path; on any other rank than the first that of its part.
        """
        heart, runner = self.heart, self.runner
        own_ranks.require(runner, heart.rank)
        if heart.rank > 0:
            part = checkpoint.extras(runner)
            part["place"] = self._position(every_rank=True)
            return ranks.put(self.folder, heart.rank, heart.iteration, part)
        self._parts = ranks.collect(self.folder, position.world(runner), heart.iteration)
        try:
            return self._save(every_rank=True)
        finally:
            self._parts = {}

    def is_whole(self, traceback: TracebackType | None) -> bool:
        """Whether an error in a step left the parameters of the last whole step."""
        return checkpoint.is_whole(self.runner, traceback)

    def _position(
        self, *, without_last: bool = False, every_rank: bool = False
    ) -> SavedPosition | None:
        return position.of(
            self.runner,
            epoch=self.heart.epoch,
            without_last=without_last,
            every_rank=every_rank,
        )

    def _save(self, without_last: bool = False, *, every_rank: bool = False) -> str:
        heart, runner = self.heart, self.runner
        if heart.begun < 0 or heart.iteration <= heart.begun:
            raise RescueError("nothing was trained since the start")
        if self._phases.stage in _SWAPPING and checkpoint.averaging(runner):
            raise RescueError("an averaged model is being swapped in or out")
        validating = heart.phase in VALIDATION_PHASES
        meta: dict[str, object] = {"epoch": int(runner.train_loop.epoch), "iter": heart.iteration}
        meta[resume.STRETCH_KEY] = self.orders.stretch
        where = self._position(without_last=without_last, every_rank=every_rank)
        if where is not None:
            meta[resume.POSITION_KEY] = where
        if validating:
            meta[resume.VALIDATION_KEY] = True
        self.saving = True
        try:
            return checkpoint.save(runner, heart.iteration, meta, validating=validating)
        finally:
            self.saving = False

    def complete(self, saved: object) -> None:
        """Adds what only a rescue contains to the checkpoint that is being saved."""
        if isinstance(saved, dict):
            saved[checkpoint.KEY] = checkpoint.extras(self.runner)
            if self._parts:
                saved[checkpoint.KEY][ranks.KEY] = self._parts

    # --- resuming --------------------------------------------------------------------------------

    def resumed(self, loaded: LoadedState) -> None:
        """Restores what mmengine does not know of, after a checkpoint was resumed."""
        if self.commands is None:
            return
        self._validation_is_due = bool(loaded.get("validation"))
        kept = loaded.get("kept")
        guard = loader_guard.guard_of(self.runner.train_loop.dataloader)
        if kept is None or guard is None:
            return

        def restore() -> None:
            try:
                checkpoint.restore(self.runner, kept)
            except Exception:
                files.note_error("restoring random states and gradients")

        # At the first batch: whatever is drawn before it was drawn before the rescue as well.
        guard.on_first = restore

    def finish_validation(self) -> None:
        """Repeats the validation in which an earlier attempt was stopped."""
        if self._validation_is_due and self.runner.val_loop is not None:
            self._validation_is_due = False
            self.runner.val_loop.run()
