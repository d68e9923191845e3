"""A training of the Hugging Face Trainer: overrides, guarded loaders, its own checkpoints."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from dualwatch.agent import files, framework_calls
from dualwatch.agent.torch import loader_guard
from dualwatch.agent.trainer import RescueError, Trainer
from dualwatch.agent.transformers.phases import PhaseTracker
from dualwatch.protocol import Phase

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Callable

    from dualwatch.agent.torch.objects import Module, Optimizer
    from dualwatch.agent.transformers.objects import HFTrainer, TrainerModule

FOLDER = "checkpoint-{}"
"""The Trainer's own checkpoint of a step, in its output folder."""


def install(module: TrainerModule) -> None:
    """Wraps ``Trainer.train``."""

    def follow(runner):
        return TransformersTrainer(runner, module.TrainerCallback)

    framework_calls.wrap(module.Trainer, "train", follow, rescues=True)


class TransformersTrainer(Trainer):
    """One ``train`` of the Hugging Face Trainer.

    Args:
        runner: The Trainer.
        callback_class: The class of its callbacks.

    Attributes:
        losses: Of the batches since the last step.
    """

    framework = "transformers"
    packages = ("transformers", "accelerate")
    described = "a training of the Hugging Face Trainer"

    def __init__(self, runner: HFTrainer, callback_class: type) -> None:
        super().__init__()
        self.runner = runner
        self._in_update = False
        self.losses: list[object] = []
        handler = runner.callback_handler
        callbacks = [one for one in handler.callbacks if not hasattr(one, "dualwatch")]
        # First, so that the work of another callback counts as a part of the iteration.
        handler.callbacks[:] = [
            framework_calls.callback(callback_class, PhaseTracker(self)),
            *callbacks,
        ]
        for name in ("evaluate", "predict"):
            self._wrap(name, self._evaluating)
        self._wrap("training_step", self._noting)
        self._wrap("prediction_step", functools.partial(self.during, Phase.VAL_STEP))
        self._wrap("_save_checkpoint", functools.partial(self.during, Phase.SAVING))
        loader_guard.guard_every_loader(self.guard)
        if self.commands is not None:
            self.commands.listen()

    def _wrap(self, name: str, wrapped: Callable[..., object]) -> None:
        method = getattr(self.runner, name, None)
        if method is None:  # Of a version that names it otherwise.
            files.note(f"this Trainer has no {name}")
            return
        # An earlier ``train`` of the same Trainer may have wrapped it for an earlier heartbeat.
        setattr(self.runner, name, wrapped(getattr(method, "_dualwatch_method", method)))
        getattr(self.runner, name)._dualwatch_method = getattr(method, "_dualwatch_method", method)

    def _noting(self, method):
        """Wraps the work on one batch of the training, to see the batch and its loss."""

        @functools.wraps(method)
        def training_step(model, inputs, *args, **kwargs):
            batch = dict(inputs) if isinstance(inputs, dict) else inputs
            loss = method(model, inputs, *args, **kwargs)
            self.losses.append(loss)
            self.batches.note(self.heart.iteration + 1, batch, {"loss": loss})
            return loss

        return training_step

    def _evaluating(self, method):
        """Wraps a whole evaluation, in which the heartbeat counts the evaluation's batches."""

        @functools.wraps(method)
        def evaluating(*args, **kwargs):
            heart = self.heart
            before = heart.phase, heart.batch, heart.batches
            heart.batch = heart.batches = 0
            heart.beat(Phase.VAL_WAITING)
            try:
                return method(*args, **kwargs)
            finally:
                phase, heart.batch, heart.batches = before
                heart.beat(phase)

        return evaluating

    def write_model(self, model: Module, optimizers: list[Optimizer]) -> None:
        """Records the parts of the model, and when they are in the middle of an update."""
        super().write_model(model, optimizers)
        for optimizer in optimizers:
            # Since torch 2.1.
            before = getattr(optimizer, "register_step_pre_hook", None)
            after = getattr(optimizer, "register_step_post_hook", None)
            if before is not None and after is not None:
                before(functools.partial(self._update, True))
                after(functools.partial(self._update, False))

    def _update(self, begins: bool, *_: object) -> None:
        self._in_update = begins

    def apply_overrides(self, arguments: dict[str, object]) -> None:
        """Applies the supervisor's overrides to the arguments of ``train``, and reports them."""
        taken = self.take_overrides(arguments, "resume_from_checkpoint")
        self.report(*taken, self.runner.args.output_dir)

    # --- saving ----------------------------------------------------------------------------------

    def save(self, *, without_last: bool = False) -> str:
        """Saves the Trainer's own checkpoint of the last step; see ``Trainer.save``."""
        if int(self.runner.args.world_size) > 1:
            raise RescueError("several ranks: each stopped at another position")
        return self._save()

    def save_together(self) -> str:
        """Saves the Trainer's own checkpoint, to which each rank adds its part."""
        if os.environ.get("LOCAL_WORLD_SIZE", "1") != str(self.runner.args.world_size):
            raise RescueError("several machines: the state of the others is not known")
        return self._save()

    def is_whole(self, traceback: TracebackType | None) -> bool:
        """Whether the parameters are those of the step that the Trainer's state names."""
        return not self._in_update and int(self.runner.state.global_step) == self.heart.iteration

    def _save(self) -> str:
        runner, heart = self.runner, self.heart
        if heart.begun < 0 or heart.iteration <= heart.begun:
            raise RescueError("nothing was trained since the start")
        args = runner.args
        path = os.path.join(args.output_dir, FOLDER.format(runner.state.global_step))
        # Each rank writes its own random states, the first one the rest.
        own = "rng_state.pth" if args.world_size <= 1 else f"rng_state_{args.process_index}.pth"
        if all(os.path.exists(os.path.join(path, name)) for name in (own, "trainer_state.json")):
            return path  # The Trainer has just saved it.
        limit, args.save_total_limit = args.save_total_limit, None
        try:
            # For the limit the Trainer deletes older checkpoints.
            runner._save_checkpoint(runner.model_wrapped, None)
        finally:
            args.save_total_limit = limit
        return path
