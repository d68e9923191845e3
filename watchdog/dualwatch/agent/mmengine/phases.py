"""Follows a Runner through its phases, without being one of its hooks.

Every stage of an mmengine loop is announced through ``runner.call_hook``. Wrapping that one method
covers both ends of every stage, in whatever order the user's hooks run, and leaves the list of
hooks unchanged. See ``docs/decisions/0002-call-hook-instead-of-a-hook.md``.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Callable, Protocol

from dualwatch.agent import files, pools
from dualwatch.agent.mmengine import position, resume
from dualwatch.protocol import Phase

if TYPE_CHECKING:
    from dualwatch.agent.heartbeat import HeartbeatWriter
    from dualwatch.agent.mmengine.objects import LoadedState, Runner
    from dualwatch.agent.overrides import OverrideFile
    from dualwatch.agent.torch.batch_outline import BatchRecorder
    from dualwatch.agent.torch.learning import LearningRecorder
    from dualwatch.agent.torch.non_finite import NonFiniteRecorder
    from dualwatch.agent.torch.objects import Module, Optimizer


class FollowedTrainer(Protocol):
    """What a tracker needs of its trainer; see ``mmengine.trainer``."""

    heart: HeartbeatWriter
    orders: OverrideFile
    batches: BatchRecorder
    learning: LearningRecorder
    non_finite: NonFiniteRecorder
    saving: bool

    def guard(self, loader: object) -> object: ...
    def during(self, phase: str, method: Callable[..., object]) -> Callable[..., object]: ...
    def write_model(self, model: Module, optimizers: list[Optimizer]) -> None: ...
    def write_weights(self, model: Module, checkpoint: object) -> None: ...
    def complete(self, saved: object) -> None: ...
    def resumed(self, loaded: LoadedState) -> None: ...
    def finish_validation(self) -> None: ...


class PhaseTracker:
    """Turns the stages of one Runner into heartbeats.

    Args:
        trainer: Whose heartbeat it is.

    Attributes:
        stage: The stage whose hooks run now, "" for none.
    """

    def __init__(self, trainer: FollowedTrainer) -> None:
        self._trainer = trainer
        self._heart = trainer.heart
        self._runner: Runner
        self._train_batches = (0, 0)
        # Batches of the present epoch done by an earlier attempt; mmengine counts from 0.
        self._done_before = 0
        self._resumed_epoch = -1
        self._model_written = False
        self.stage = ""

    def follow(self, runner: Runner) -> None:
        """Wraps the Runner's methods that mark a phase; on the instance, so subclasses count."""
        self._runner, during = runner, self._trainer.during
        build = runner.build_dataloader

        @functools.wraps(build)
        def build_dataloader(*args, **kwargs):
            return self._trainer.guard(build(*args, **kwargs))

        runner.build_dataloader = during(Phase.BUILDING_DATA, build_dataloader)
        runner.save_checkpoint = during(Phase.SAVING, runner.save_checkpoint)
        stretch = self._trainer.orders.stretch
        load = resume.resuming(runner, stretch, self._resumed)
        runner.load_or_resume = during(Phase.LOADING, load)
        runner.call_hook = self._announcing(runner.call_hook)

    def _resumed(self, loaded: LoadedState) -> None:
        self._done_before = position.resume_from(self._runner, loaded.get("place"))
        self._resumed_epoch = self._runner.train_loop.epoch
        self._trainer.resumed(loaded)

    def _announcing(self, call_hook):
        before, after = self._before(), self._after()

        @functools.wraps(call_hook)
        def announcing(fn_name, **kwargs):
            if self._done_before and "batch_idx" in kwargs and "train" in fn_name:
                kwargs["batch_idx"] += self._done_before
            enter = before.get(fn_name)
            if enter is not None:
                self._try(enter, kwargs)
            # Hooks may save a checkpoint, which announces stages of its own.
            outer, self.stage = self.stage, fn_name
            try:
                call_hook(fn_name, **kwargs)
            finally:
                self.stage = outer
            leave = after.get(fn_name)
            if leave is not None:
                self._try(leave, kwargs)

        return announcing

    @staticmethod
    def _try(handler, kwargs) -> None:
        try:
            handler(**kwargs)
        except Exception:
            files.note_error("following the loop")

    # What happens before the user's hooks of a stage run, and after them.

    def _before(self):
        return {
            "before_train_iter": self._train_batch_came,
            "before_val_iter": self._val_batch_came,
            "before_test_iter": self._val_batch_came,
            "before_save_checkpoint": self._mark_checkpoint,
        }

    def _after(self):
        return {
            "before_train": self._train_begins,
            "before_train_epoch": self._train_epoch_begins,
            "after_train_iter": self._train_iteration_done,
            "before_val_epoch": self._val_begins,
            "after_val_iter": self._val_iteration_done,
            "after_val_epoch": self._val_done,
            "before_test_epoch": self._test_begins,
            "after_test_iter": self._val_iteration_done,
            "after_test_epoch": self._val_done,
            "after_load_checkpoint": self._checkpoint_read,
            "after_run": self._finished,
        }

    def _train_epoch_begins(self, **_) -> None:
        heart, loop = self._heart, self._runner.train_loop
        by_iterations = position.is_by_iterations(loop)
        if loop.epoch != self._resumed_epoch:
            self._done_before = 0
        heart.max_iterations = int(loop.max_iters)
        heart.max_epochs = 0 if by_iterations else int(loop.max_epochs)
        heart.epoch = int(loop.epoch)
        heart.iteration = int(loop.iter)
        if heart.begun < 0:
            heart.begun = heart.iteration
        heart.batch = heart.iteration if by_iterations else self._done_before
        heart.batches = heart.max_iterations if by_iterations else len(loop.dataloader)
        heart.beat(Phase.WAITING)
        if not self._model_written:
            # Not earlier: hooks may freeze parts until here.
            self._model_written = True
            wrapper = getattr(self._runner, "optim_wrapper", None)
            self._trainer.write_model(self._runner.model, optimizers_of(wrapper))

    def _train_batch_came(self, **_) -> None:
        self._heart.beat(Phase.STEP)
        self._trainer.learning.iteration_begins(self._heart.iteration)

    def _train_iteration_done(self, batch_idx=0, data_batch=None, outputs=None, **_) -> None:
        heart = self._heart
        # mmengine counts the iteration only after the hooks of it have run.
        heart.iteration = int(self._runner.iter) + 1
        heart.batch = batch_idx + 1
        heart.beat(Phase.WAITING)
        position.note_complaint(self._runner)
        self._trainer.batches.note(heart.iteration, data_batch, outputs, self._logged)
        self._trainer.learning.iteration_done(heart.iteration)
        self._trainer.non_finite.note(heart.iteration, self._values(outputs), data_batch)

    def _values(self, outputs) -> dict[str, object]:
        """The losses of the iteration, and its gradient.

        mmengine has read each of them for its own log, which waited for the GPU; reading them again
        would wait once more.
        """
        read = self._runner.message_hub.log_scalars
        values: dict[str, object] = dict(outputs) if isinstance(outputs, dict) else {}
        for name in (*values, "grad_norm"):
            history = read.get(f"train/{name}")
            if history is not None:
                values[name] = float(history.current())
        return values

    def _logged(self) -> list[str]:
        """Names of all that was logged, by whatever code."""
        return [name.rsplit("/", 1)[-1] for name in self._runner.message_hub.log_scalars]

    def _val_begins(self, **_) -> None:
        self._evaluation_begins(self._runner.val_loop)

    def _test_begins(self, **_) -> None:
        self._evaluation_begins(self._runner.test_loop)

    def _evaluation_begins(self, loop) -> None:
        guard_metrics(loop)
        heart = self._heart
        self._train_batches = (heart.batch, heart.batches)
        heart.batch, heart.batches = 0, len(loop.dataloader)
        heart.beat(Phase.VAL_WAITING)

    def _val_batch_came(self, **_) -> None:
        self._heart.beat(Phase.VAL_STEP)

    def _val_iteration_done(self, batch_idx=0, **_) -> None:
        heart = self._heart
        heart.batch = batch_idx + 1
        heart.beat(Phase.METRICS if heart.batch >= heart.batches else Phase.VAL_WAITING)

    def _val_done(self, **_) -> None:
        heart = self._heart
        heart.batch, heart.batches = self._train_batches
        # Between two loops; an epoch-based one announces the next epoch, an iteration-based one
        # asks for the next batch at once.
        heart.beat(Phase.WAITING)

    def _train_begins(self, **_) -> None:
        self._trainer.finish_validation()

    def _mark_checkpoint(self, checkpoint=None, **_) -> None:
        if self._trainer.saving:
            self._trainer.complete(checkpoint)
            return
        meta = checkpoint.get("meta", {}) if isinstance(checkpoint, dict) else {}
        # A checkpoint of a whole epoch names the next one: it resumes at that one's beginning.
        epoch = self._heart.epoch if meta.get("epoch") == self._heart.epoch else -1
        where = position.of(self._runner, epoch=epoch)
        resume.mark(checkpoint, self._trainer.orders.stretch, where)

    def _checkpoint_read(self, checkpoint=None, **_) -> None:
        resume.remember(checkpoint)
        self._trainer.write_weights(self._runner.model, checkpoint)

    def _finished(self, **_) -> None:
        self._trainer.non_finite.finish()
        self._heart.beat(Phase.FINISHED)


def optimizers_of(wrapper: Optimizer | None) -> list[Optimizer]:
    """The plain optimizers of mmengine's wrapper of one or of several; a plain one is its own."""
    if wrapper is None:
        return []
    several = getattr(wrapper, "optim_wrappers", None)
    if isinstance(several, dict):
        return [one for each in several.values() for one in optimizers_of(each)]
    return [getattr(wrapper, "optimizer", wrapper)]


def guard_metrics(loop: object) -> None:
    """Guards the computation of each metric of a loop against a pool that hangs."""
    for metric in getattr(getattr(loop, "evaluator", None), "metrics", ()):
        compute = getattr(metric, "compute_metrics", None)
        if compute is not None and not hasattr(compute, "_dualwatch"):
            metric.compute_metrics = pools.guarded(compute)
