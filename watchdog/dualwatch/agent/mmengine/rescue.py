"""When and with what a training is rescued: on order, or before it dies of an error."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from dualwatch import protocol
from dualwatch.agent import commands, files
from dualwatch.agent.mmengine import checkpoint as rescue
from dualwatch.agent.mmengine import position, ranks, resume
from dualwatch.agent.torch import loader_guard
from dualwatch.protocol import VALIDATION_PHASES, AgentCommand, Phase

_SWAPPING = ("before_val_epoch", "after_val_epoch", "before_test_epoch", "after_test_epoch")
"""Stages in which an averaged model (EMA) takes the place of the trained one, and back."""


class RescueSaver:
    """Saves rescue checkpoints of one Runner.

    Attributes:
        saving: A rescue is being written: its checkpoint gets what only a rescue holds.

    Args:
        heart: This rank's heartbeat, which knows where the training stands.
        folder: The attempt's folder.
    """

    def __init__(self, heart: Any, folder: str) -> None:
        self._heart = heart
        self._runner: Any = None
        self._stretch = 1
        self._validation_is_due = False
        self._stage: Callable[[], str] = str
        self._folder = folder
        self._parts: dict[int, Any] = {}
        self.saving = False
        self.handler = commands.CommandHandler(folder, heart, self.save, self.save_together)

    def board(self, runner: Any, stretch: int, stage: Callable[[], str]) -> None:
        """Takes a Runner aboard.

        Args:
            stage: Gives the stage whose hooks run now.
        """
        self._runner, self._stretch, self._stage = runner, stretch, stage
        runner.train = self._rescuing(runner.train)
        self.handler.listen()

    def save(self, *, unlearnt: bool = False) -> str:
        """Saves a rescue checkpoint and returns its path.

        Args:
            unlearnt: The batch that came last was not learnt from: its iteration died.

        Raises:
            rescue.RescueError: It cannot be done here.
        """
        if position.world(self._runner) > 1:
            raise rescue.RescueError("several ranks: each stands at another place")
        return self._save(unlearnt)

    def save_together(self) -> str:
        """Saves one checkpoint of all ranks, which stand after the same iteration.

        The first rank writes it, with what the others put into the attempt's folder: their places
        in the data, their random states. Theirs are the same parameters.

        Returns:
            Its path; of another rank than the first that of its part.

        Raises:
            rescue.RescueError: It cannot be done here.
        """
        heart, runner = self._heart, self._runner
        ranks.require(runner, heart.rank)
        if heart.rank > 0:
            part = dict(rescue.extras(runner), place=self._place(every_rank=True))
            return ranks.put(self._folder, heart.rank, heart.iteration, part)
        self._parts = ranks.collect(self._folder, position.world(runner), heart.iteration)
        try:
            return self._save(every_rank=True)
        finally:
            self._parts = {}

    def _place(self, *, unlearnt: bool = False, every_rank: bool = False) -> Any:
        epoch = self._heart.epoch
        return position.of(self._runner, epoch=epoch, unlearnt=unlearnt, every_rank=every_rank)

    def _save(self, unlearnt: bool = False, *, every_rank: bool = False) -> str:
        heart, runner = self._heart, self._runner
        if heart.begun < 0 or heart.iteration <= heart.begun:
            raise rescue.RescueError("nothing was learnt since it began")
        if self._stage() in _SWAPPING and rescue.averaging(runner):
            raise rescue.RescueError("an averaged model is being put in or taken out")
        validating = heart.phase in VALIDATION_PHASES
        epoch = int(runner.train_loop.epoch)
        meta: dict[str, Any] = {"epoch": epoch, "iter": heart.iteration}
        meta[resume.STRETCH_KEY] = self._stretch
        where = self._place(unlearnt=unlearnt, every_rank=every_rank)
        if where is not None:
            meta[resume.PLACE_KEY] = where
        if validating:
            meta[resume.VALIDATION_KEY] = True
        self.saving = True
        try:
            return rescue.save(runner, heart.iteration, meta, validating=validating)
        finally:
            self.saving = False

    def complete(self, checkpoint: Any) -> None:
        """Adds what only a rescue holds to the one that is being saved."""
        if isinstance(checkpoint, dict):
            checkpoint[rescue.KEY] = rescue.extras(self._runner)
            if self._parts:
                checkpoint[rescue.KEY][ranks.KEY] = self._parts

    def taken_up(self, loaded: dict[str, Any]) -> None:
        """A checkpoint was resumed."""
        self._validation_is_due = bool(loaded.get("validation"))
        kept = loaded.get("kept")
        if kept is None:
            return
        keeper = loader_guard.guard_of(self._runner.train_loop.dataloader)

        def put_back() -> None:
            try:
                rescue.put_back(self._runner, kept)
            except Exception:
                files.note_error("putting back random states and gradients")

        if keeper is not None:
            # Whatever is drawn up to the first batch was drawn before the rescue as well.
            keeper.on_first = put_back

    def finish_validation(self) -> None:
        """Does the validation in which an earlier attempt was ended."""
        if self._validation_is_due and self._runner.val_loop is not None:
            self._validation_is_due = False
            self._runner.val_loop.run()

    def _rescuing(self, train):
        @functools.wraps(train)
        def rescuing(*args, **kwargs):
            try:
                return train(*args, **kwargs)
            except BaseException:
                self._before_it_dies()
                raise

        return rescuing

    def _before_it_dies(self) -> None:
        """Saves what was learnt, where the error left it whole."""
        heart, error = self._heart, sys.exc_info()
        in_step = heart.phase == Phase.STEP
        try:
            if in_step and not rescue.is_whole(self._runner, error[2]):
                raise rescue.RescueError("the error came while parameters were being changed")
            if not in_step and heart.phase not in (Phase.WAITING, *VALIDATION_PHASES):
                return
            path = self.save(unlearnt=in_step)
        except rescue.RescueError as reason:
            self.handler.answer(protocol.UNPROMPTED, AgentCommand.SAVE, why=str(reason))
        except Exception as failure:
            files.note_error("saving a rescue checkpoint")
            why = f"{type(failure).__name__}: {failure}"
            self.handler.answer(protocol.UNPROMPTED, AgentCommand.SAVE, why=why)
        else:
            self.handler.answer(protocol.UNPROMPTED, AgentCommand.SAVE, path=path)
