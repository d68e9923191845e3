"""Follows a Lightning training through its phases, as a callback.

A callback is Lightning's public interface and the same in all versions since 1.6. It has no state,
so that checkpoints do not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, SupportsFloat

from dualwatch.agent.lightning import position
from dualwatch.protocol import Phase

if TYPE_CHECKING:
    from types import TracebackType

    from dualwatch.agent.heartbeat import HeartbeatWriter
    from dualwatch.agent.lightning.objects import LightningRunner, SavedPosition
    from dualwatch.agent.torch.batch_outline import BatchRecorder
    from dualwatch.agent.torch.learning import LearningRecorder
    from dualwatch.agent.torch.non_finite import NonFiniteRecorder
    from dualwatch.agent.torch.objects import Module, Optimizer


class FollowedTrainer(Protocol):
    """What a tracker needs of its trainer; see ``lightning.trainer``."""

    heart: HeartbeatWriter
    batches: BatchRecorder
    learning: LearningRecorder
    non_finite: NonFiniteRecorder
    resumed: SavedPosition | None

    def write_model(self, model: Module, optimizers: list[Optimizer]) -> None: ...
    def write_metrics(self, mode: str, metrics: dict[str, float]) -> None: ...
    def save_before_death(self, traceback: TracebackType | None) -> None: ...


class PhaseTracker:
    """Turns the stages of one ``fit`` into heartbeats; each method is one of Lightning's hooks."""

    def __init__(self, trainer: FollowedTrainer) -> None:
        self._trainer = trainer
        self._heart = trainer.heart
        self._train_batches = (0, 0)
        # Names of metrics that were logged in training, and in validation.
        self._trained: set[str] = set()
        self._evaluated: set[str] = set()
        self._model_written = False

    # --- training --------------------------------------------------------------------------------

    def on_train_epoch_start(self, pl_trainer: LightningRunner, module: Module) -> None:
        heart, progress = self._heart, pl_trainer.fit_loop.epoch_loop.batch_progress
        heart.epoch = int(pl_trainer.current_epoch)
        heart.iteration = int(progress.total.completed)
        if heart.begun < 0:
            heart.begun = heart.iteration
        heart.batch = int(progress.current.completed) if pl_trainer.fit_loop.restarting else 0
        heart.batches = _count(pl_trainer.num_training_batches)
        heart.max_epochs = max(0, int(pl_trainer.max_epochs or 0))
        heart.max_iterations = heart.max_epochs * heart.batches
        heart.beat(Phase.WAITING)
        if not self._model_written:
            self._model_written = True
            self._trainer.write_model(module, pl_trainer.optimizers)

    # Of an epoch that is resumed in its middle Lightning announces no start.
    on_train_start = on_train_epoch_start

    def on_train_batch_start(
        self, pl_trainer: LightningRunner, module: Module, batch, batch_idx
    ) -> None:
        self._heart.beat(Phase.STEP)
        self._trainer.learning.iteration_begins(self._heart.iteration)

    def on_train_batch_end(
        self, pl_trainer: LightningRunner, module: Module, outputs, batch, batch_idx
    ) -> None:
        heart = self._heart
        # Lightning counts the batch only after the hooks of it have run.
        heart.iteration = int(pl_trainer.fit_loop.epoch_loop.batch_progress.total.completed) + 1
        heart.batch = batch_idx + 1
        heart.beat(Phase.WAITING)
        # Lightning keeps the metrics of the last validation among those of the training.
        logged = {k: v for k, v in pl_trainer.callback_metrics.items() if k not in self._evaluated}
        returned = {**(outputs if isinstance(outputs, dict) else {}), **logged}
        self._trainer.batches.note(heart.iteration, batch, returned)
        self._trainer.learning.iteration_done(heart.iteration)
        # Not what was logged: that keeps the value of an earlier iteration until the next one.
        step = outputs if isinstance(outputs, dict) else {"loss": outputs}
        self._trainer.non_finite.note(heart.iteration, step, batch)
        self._trained.update(logged)
        every = max(1, int(pl_trainer.log_every_n_steps or 1))
        # Reading a value waits for the GPU: no more often than Lightning's own loggers do.
        if heart.iteration % every == 0 or heart.batch == heart.batches:
            self._trainer.write_metrics("train", _numbers(returned))

    # --- validation and test ---------------------------------------------------------------------

    def on_validation_start(self, pl_trainer: LightningRunner, module: Module) -> None:
        sanity = pl_trainer.sanity_checking
        self._begin(pl_trainer.num_sanity_val_batches if sanity else pl_trainer.num_val_batches)

    def on_validation_batch_start(self, *args, **kwargs) -> None:
        self._heart.beat(Phase.VAL_STEP)

    def on_validation_batch_end(self, *args, **kwargs) -> None:
        heart = self._heart
        heart.batch += 1
        heart.beat(Phase.METRICS if heart.batch >= heart.batches > 0 else Phase.VAL_WAITING)

    def on_validation_end(self, pl_trainer: LightningRunner, module: Module) -> None:
        if not pl_trainer.sanity_checking:
            logged = pl_trainer.callback_metrics
            own = {name: value for name, value in logged.items() if name not in self._trained}
            self._evaluated.update(own)
            self._trainer.write_metrics("val", _numbers(own))
        heart = self._heart
        heart.batch, heart.batches = self._train_batches
        heart.beat(Phase.BUILDING if pl_trainer.sanity_checking else Phase.WAITING)

    def on_test_start(self, pl_trainer: LightningRunner, module: Module) -> None:
        self._begin(pl_trainer.num_test_batches)

    on_test_batch_start = on_validation_batch_start
    on_test_batch_end = on_validation_batch_end

    def on_test_end(self, pl_trainer: LightningRunner, module: Module) -> None:
        self._trainer.write_metrics("test", _numbers(pl_trainer.callback_metrics))
        self._heart.beat(Phase.FINISHED)

    def _begin(self, batches) -> None:
        heart = self._heart
        self._train_batches = (heart.batch, heart.batches)
        batches = batches if isinstance(batches, (list, tuple)) else [batches]
        heart.batch, heart.batches = 0, sum(_count(one) for one in batches)
        heart.beat(Phase.VAL_WAITING)

    # --- checkpoints -----------------------------------------------------------------------------

    def on_save_checkpoint(self, pl_trainer: LightningRunner, module: Module, checkpoint) -> None:
        position.add(pl_trainer, checkpoint)

    def on_load_checkpoint(self, pl_trainer: LightningRunner, module: Module, checkpoint) -> None:
        self._trainer.resumed = position.of(checkpoint)

    # --- the end ---------------------------------------------------------------------------------

    def on_exception(self, pl_trainer: LightningRunner, module: Module, exception) -> None:
        self._trainer.save_before_death(exception.__traceback__)


def _count(batches: float) -> int:
    """Batches of a loader; 0 for one without a length."""
    return int(batches) if batches != float("inf") else 0


def _numbers(values: Mapping[str, SupportsFloat]) -> dict[str, float]:
    """Those values that are one number, as floats."""
    found = {}
    for name, value in values.items():
        try:
            found[str(name)] = float(value)
        except (TypeError, ValueError, RuntimeError):
            continue
    return found
