"""Follows a Runner through its phases, without being one of its hooks.

Every stage of an mmengine loop is announced through ``runner.call_hook``. Wrapping that one method
sees both ends of every stage, in whatever order the user's hooks run, and leaves the list of hooks
as the user wrote it. See ``docs/decisions/0002-call-hook-instead-of-a-hook.md``.
"""

from __future__ import annotations

import functools
from typing import Any

from dualwatch.agent import commands, files
from dualwatch.agent.mmengine import position, rescue, resume
from dualwatch.agent.torch import loader_guard, model_outline
from dualwatch.protocol import Phase

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


class PhaseTracker:
    """Turns the stages of one Runner into heartbeats.

    Args:
        heart: This rank's heartbeat record.
        seen: Notes what the batches hold and which losses come of them.
        folder: The attempt's folder.

    Attributes:
        stage: The stage whose hooks run now, "" for none.
    """

    def __init__(self, heart, seen, folder) -> None:
        self._heart = heart
        self._seen = seen
        self._folder = folder
        self._runner: Any = None
        self._train_place = (0, 0)
        self._boat: rescue.RescueSaver | None = None
        self._desk: commands.CommandHandler | None = None
        # Batches of the present epoch that an earlier attempt has done; mmengine counts from 0.
        self._done_before = 0
        self._begun_at = -1
        self._told_model = False
        self.stage = ""
        self.stretch = 1

    def rescue_from_now_on(self, arguments: dict[str, Any]) -> None:
        """Loaders can be replaced, and rescue checkpoints be saved.

        Args:
            arguments: Of the Runner; loaders that the script built itself are among them.
        """
        self._boat = rescue.RescueSaver(self._heart, self._folder)
        self._desk = self._boat.handler
        for name in LOADERS:
            loader_guard.guarded(arguments.get(name), self._desk)

    def runner_built(self, runner) -> None:
        """Wraps the Runner's methods that mark a phase; on the instance, so subclasses count."""
        self._runner = runner
        runner.build_dataloader = self._during(
            Phase.BUILDING_DATA, self._guarding(runner.build_dataloader)
        )
        runner.save_checkpoint = self._during(Phase.SAVING, runner.save_checkpoint)
        runner.load_or_resume = self._during(
            Phase.LOADING, resume.resuming(runner, self.stretch, self._taken_up)
        )
        runner.call_hook = self._announcing(runner.call_hook)
        if self._boat is not None:
            self._boat.board(runner, self.stretch, lambda: self.stage)

    def _guarding(self, build):
        if self._desk is None:
            return build

        @functools.wraps(build)
        def guarding(*args, **kwargs):
            return loader_guard.guarded(build(*args, **kwargs), self._desk)

        return guarding

    def _taken_up(self, loaded) -> None:
        """A checkpoint was resumed: the data go on where it stood."""
        self._done_before = position.resume_from(self._runner, loaded.get("place"))
        self._begun_at = self._runner.train_loop.epoch
        if self._boat is not None:
            self._boat.taken_up(loaded)

    def _during(self, phase, method):
        @functools.wraps(method)
        def during(*args, **kwargs):
            before = self._heart.phase
            self._heart.beat(phase)
            try:
                return method(*args, **kwargs)
            finally:
                self._heart.beat(before)

        return during

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
            "after_load_checkpoint": resume.remember,
            "after_run": self._finished,
        }

    def _train_epoch_begins(self, **_) -> None:
        heart, loop = self._heart, self._runner.train_loop
        by_iterations = position.is_by_iterations(loop)
        if loop.epoch != self._begun_at:
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
        if not self._told_model:
            # Hooks may freeze parts until here.
            self._told_model = True
            model_outline.write(self._runner, self._folder, heart.rank)

    def _train_batch_came(self, **_) -> None:
        self._heart.beat(Phase.STEP)

    def _train_iteration_done(self, batch_idx=0, data_batch=None, outputs=None, **_) -> None:
        heart = self._heart
        # mmengine counts the iteration only after the hooks of it have run.
        heart.iteration = int(self._runner.iter) + 1
        heart.batch = batch_idx + 1
        heart.beat(Phase.WAITING)
        position.note_complaint(self._runner)
        self._seen.note(heart.iteration, data_batch, outputs)

    def _val_begins(self, **_) -> None:
        self._loop_of_validation_begins(self._runner.val_loop)

    def _test_begins(self, **_) -> None:
        self._loop_of_validation_begins(self._runner.test_loop)

    def _loop_of_validation_begins(self, loop) -> None:
        heart = self._heart
        self._train_place = (heart.batch, heart.batches)
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
        heart.batch, heart.batches = self._train_place
        # Between two loops; an epoch-based one announces the next epoch, an iteration-based one
        # asks for the next batch at once.
        heart.beat(Phase.WAITING)

    def _train_begins(self, **_) -> None:
        if self._boat is not None:
            self._boat.finish_validation()

    def _mark_checkpoint(self, checkpoint=None, **_) -> None:
        if self._boat is not None and self._boat.saving:
            self._boat.complete(checkpoint)
            return
        meta = checkpoint.get("meta", {}) if isinstance(checkpoint, dict) else {}
        # A checkpoint of a whole epoch names the next one: its place is that one's beginning.
        epoch = self._heart.epoch if meta.get("epoch") == self._heart.epoch else -1
        resume.mark(checkpoint, self.stretch, position.of(self._runner, epoch=epoch))

    def _finished(self, **_) -> None:
        self._heart.beat(Phase.FINISHED)
