"""Turns the batches and the optimizer steps of a loop into heartbeats.

A loop says nothing about itself. What it does is seen from which loader it asks for a batch,
whether gradients are recorded then, and whether an optimizer makes a step afterwards.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Callable, SupportsFloat

from dualwatch.protocol import Phase

if TYPE_CHECKING:
    from dualwatch.agent.commands import CommandHandler
    from dualwatch.agent.heartbeat import HeartbeatWriter
    from dualwatch.agent.torch.batch_outline import BatchRecorder
    from dualwatch.agent.torch.learning import LearningRecorder
    from dualwatch.agent.torch.loader_guard import LoaderGuard
    from dualwatch.agent.torch.non_finite import NonFiniteRecorder
    from dualwatch.agent.torch.probation import Probation

LOG_EVERY = 10
"""Iterations between two records of the losses."""

MOST_LOSSES = 20
"""Of one iteration; a loop with more calls ``backward`` for something else."""


class LoopProgress:
    """The progress of one loop; asked by the guards of its loaders, as ``CommandSource``.

    An iteration is a batch of the leading training loader: where a loop reads several side by side,
    the one whose pass began first.

    Args:
        heart: This rank's heartbeat.
        batches: Records what the batches hold.
        commands: Carries out the supervisor's commands; None with ``--no-rescue``.
        log: Records the losses of an iteration.
        learning: Observes what the steps do to the parts of the model.
        non_finite: Looks for losses that are not finite.

    Attributes:
        losses: Values of the present iteration from which gradients were computed.
        guards: Of all loaders in care.
        leader: The guard of the training loader whose batches are counted; None before the first.
        retired: A framework's adapter has taken over: nothing is reported any more.
    """

    def __init__(
        self,
        heart: HeartbeatWriter,
        batches: BatchRecorder,
        commands: CommandHandler | None,
        log: Callable[[dict[str, float]], None],
        learning: LearningRecorder,
        non_finite: NonFiniteRecorder,
    ) -> None:
        self._heart, self._batches, self._commands = heart, batches, commands
        self._log, self._learning, self._non_finite = log, learning, non_finite
        self.losses: list[SupportsFloat] = []
        self.guards: weakref.WeakSet[LoaderGuard] = (
            commands.guards if commands is not None else weakref.WeakSet()
        )
        self.leader: LoaderGuard | None = None
        self.retired = False
        self._trained: weakref.WeakSet[LoaderGuard] = weakref.WeakSet()
        self._since_step: set[LoaderGuard] = set()
        self._asked: LoaderGuard | None = None
        self._trains = False
        self._unfinished = False
        self._pass: tuple[LoaderGuard, int] | None = None
        self._epochs = 0

    @property
    def without_workers(self) -> bool:
        """Whether a loader was replaced, so that further ones get no workers."""
        return self._commands is not None and self._commands.without_workers

    @property
    def probation(self) -> Probation | None:
        """Fresh workers that may be tried after a loader was replaced."""
        return self._commands.probation if self._commands is not None else None

    # --- what the guards tell --------------------------------------------------------------------

    def look(self, guard: LoaderGuard, waiting: bool = False) -> None:
        """A batch is requested of a loader, or still waited for."""
        if not waiting and not self.retired:
            self._requested(guard)
        if self._commands is not None:
            self._commands.look(guard, waiting)

    def batch_came(self, batch: object) -> None:
        """The batch that was requested last is here."""
        import torch

        guard = self._asked
        if guard is not None and not self.retired:
            self._show(guard)
            if torch.is_grad_enabled():
                self._since_step.add(guard)
            if self._trains:
                self._batches.note(self._heart.iteration + 1, batch, None)
                self._unfinished = self._unfinished or guard is self.leader
                self._learning.iteration_begins(self._heart.iteration)
            self._heart.beat(Phase.STEP if self._trains else Phase.VAL_STEP)
        if self._commands is not None:
            self._commands.batch_came(batch)

    def stepped(self) -> None:
        """An optimizer has made a step: the batches since the last one were trained on."""
        self._trained |= self._since_step
        if self._since_step and self.leader not in self._since_step:
            self.leader, self._unfinished, self._trains = self._asked, True, True
            if self._asked is not None and not self.retired:
                self._show(self._asked)
        self._since_step.clear()
        if not self.retired:
            self._heart.beat(Phase.STEP)

    def finish_iteration(self) -> None:
        """The work on the newest batch of the training is over."""
        if self._unfinished and self.leader is not None:
            self._unfinished = False
            self._heart.iteration += 1
            self._heart.batch = self.leader.tracker.batches - self.leader.ahead
            self._learning.iteration_done(self._heart.iteration)
            self._log_losses()

    def _log_losses(self) -> None:
        losses, self.losses = self.losses, []
        heart = self._heart
        is_first, is_last = heart.iteration == heart.begun + 1, heart.batch == heart.batches
        names = ["loss"] if len(losses) == 1 else [f"loss_{at}" for at in range(len(losses))]
        self._non_finite.note(heart.iteration, dict(zip(names, losses)))
        # Reading a value waits for the GPU: not in every iteration.
        if losses and (is_first or is_last or heart.iteration % LOG_EVERY == 0):
            self._log({name: float(value) for name, value in zip(names, losses)})

    # --- how it is read --------------------------------------------------------------------------

    def _requested(self, guard: LoaderGuard) -> None:
        heart = self._heart
        # A pass that ended without a step was a validation, whatever is stepped on next.
        self._since_step = {one for one in self._since_step if one.tracker.active}
        self._asked, self._trains = guard, self._is_training(guard)
        if self._trains and not self._is_read_beside(guard):
            self.finish_iteration()
            self.leader = guard
        elif not self._trains:
            self.finish_iteration()
        if self._trains and heart.begun < 0:
            heart.begun = heart.iteration
        heart.beat(Phase.WAITING if self._trains else Phase.VAL_WAITING)

    def _is_training(self, guard: LoaderGuard) -> bool:
        """Whether batches of a loader are trained on, as far as has been seen by now.

        Without gradients they are not. Of a loader with gradients it is assumed until steps of an
        optimizer came for others and not for it: a validation may forget to switch them off.
        """
        import torch

        if not torch.is_grad_enabled():
            return False
        if guard in self._trained or not self._trained or self._is_read_beside(guard):
            return True
        return any(guard.loader.dataset is one.loader.dataset for one in self._trained)

    def _is_read_beside(self, guard: LoaderGuard) -> bool:
        leader = self.leader
        return leader is not None and leader is not guard and leader.tracker.active

    def _show(self, guard: LoaderGuard) -> None:
        """The place in the pass over a loader."""
        heart, tracker = self._heart, guard.tracker
        if self._trains and guard is not self.leader:
            return
        heart.batch, heart.batches = tracker.batches - guard.ahead - 1, _length(guard)
        if self._trains and self._pass != (guard, tracker.passes):
            # Of any loader: a loop may make a new one for each epoch.
            self._pass, self._epochs = (guard, tracker.passes), self._epochs + 1
            heart.epoch = self._epochs - 1


def _length(guard: LoaderGuard) -> int:
    """Batches of a pass; 0 where its data set does not know."""
    try:
        return len(guard.loader)
    except TypeError:
        return 0
