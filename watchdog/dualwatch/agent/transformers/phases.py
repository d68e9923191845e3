"""Follows a training of the Hugging Face Trainer through its phases, as a callback.

A callback is the Trainer's public interface. It has no state, so that checkpoints do not depend on
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from dualwatch.protocol import VALIDATION_PHASES, Phase

if TYPE_CHECKING:
    from dualwatch.agent.heartbeat import HeartbeatWriter
    from dualwatch.agent.torch.learning import LearningRecorder
    from dualwatch.agent.torch.non_finite import NonFiniteRecorder
    from dualwatch.agent.torch.objects import Module, Optimizer
    from dualwatch.agent.transformers.objects import Arguments, State

_EVALUATION = "eval_"
_BESIDE = ("epoch", "runtime", "samples_per_second", "steps_per_second", "preparation_time")
"""Ends of the names of what is logged beside the metrics."""


class FollowedTrainer(Protocol):
    """What a tracker needs of its trainer; see ``transformers.trainer``."""

    heart: HeartbeatWriter
    learning: LearningRecorder
    losses: list[object]
    non_finite: NonFiniteRecorder

    def write_model(self, model: Module, optimizers: list[Optimizer]) -> None: ...
    def write_metrics(self, mode: str, metrics: dict[str, float]) -> None: ...


class PhaseTracker:
    """Turns the events of one training into heartbeats; each method is one of the Trainer's events.

    An iteration is a step of the optimizer, as in the Trainer's own log.
    """

    def __init__(self, trainer: FollowedTrainer) -> None:
        self._trainer = trainer
        self._heart = trainer.heart
        self._train_batches = (0, 0)
        self._model_written = False

    # --- training --------------------------------------------------------------------------------

    def on_train_begin(self, args: Arguments, state: State, control: object, **parts) -> None:
        heart = self._heart
        heart.iteration = heart.begun = int(state.global_step)
        heart.max_epochs, heart.max_iterations = int(state.num_train_epochs), int(state.max_steps)
        batches = _length(parts.get("train_dataloader"))
        heart.batches = -(-batches // max(1, args.gradient_accumulation_steps))
        heart.batch = heart.iteration % heart.batches if heart.batches else 0
        model, optimizer = parts.get("model"), parts.get("optimizer")
        if model is not None and optimizer is not None and not self._model_written:
            self._model_written = True
            # accelerate wraps it; only torch's own calls the hooks of a step.
            self._trainer.write_model(model, [getattr(optimizer, "optimizer", optimizer)])

    def on_epoch_begin(self, args: Arguments, state: State, control: object, **parts) -> None:
        heart = self._heart
        heart.epoch = int(state.epoch or 0)
        heart.batch = heart.iteration % heart.batches if heart.batches else 0
        heart.beat(Phase.WAITING)

    def on_step_begin(self, args: Arguments, state: State, control: object, **parts) -> None:
        self._heart.beat(Phase.STEP)
        self._trainer.learning.iteration_begins(self._heart.iteration)

    def on_substep_end(self, args: Arguments, state: State, control: object, **parts) -> None:
        self._heart.beat(Phase.STEP)

    def on_step_end(self, args: Arguments, state: State, control: object, **parts) -> None:
        heart = self._heart
        heart.iteration = int(state.global_step)
        heart.batch = (heart.iteration - 1) % heart.batches + 1 if heart.batches else 0
        heart.beat(Phase.WAITING)
        self._trainer.learning.iteration_done(heart.iteration)
        losses, self._trainer.losses = self._trainer.losses, []
        # The Trainer's own log leaves out those that are not finite.
        names = ["loss"] if len(losses) == 1 else [f"loss_{at}" for at in range(len(losses))]
        self._trainer.non_finite.note(heart.iteration, dict(zip(names, losses)))

    def on_log(self, args: Arguments, state: State, control: object, logs=None, **parts) -> None:
        found = {k: v for k, v in _numbers(logs or {}).items() if not k.startswith(_EVALUATION)}
        if "loss" in found:  # Without it, it is the summary at the end, or the script's own.
            self._trainer.write_metrics("train", found)

    # --- evaluation ------------------------------------------------------------------------------

    def on_prediction_step(self, args: Arguments, state: State, control: object, **parts) -> None:
        heart = self._heart
        if heart.phase not in VALIDATION_PHASES:
            return
        heart.batch, heart.batches = heart.batch + 1, _length(parts.get("eval_dataloader"))
        heart.beat(Phase.METRICS if heart.batch >= heart.batches > 0 else Phase.VAL_WAITING)

    def on_evaluate(
        self, args: Arguments, state: State, control: object, metrics=None, **parts
    ) -> None:
        results = _numbers(metrics or {})
        own = {k[len(_EVALUATION) :]: v for k, v in results.items() if k.startswith(_EVALUATION)}
        self._trainer.write_metrics("val", own)


def _length(loader: object) -> int:
    """Batches of a loader; 0 for one without a length."""
    try:
        return len(loader)  # type: ignore[arg-type]
    except TypeError:
        return 0


def _numbers(values: Mapping[str, object]) -> dict[str, float]:
    """The metrics among what is logged, as floats."""
    return {
        str(name): float(value)
        for name, value in values.items()
        if isinstance(value, (int, float)) and not str(name).endswith(_BESIDE)
    }
