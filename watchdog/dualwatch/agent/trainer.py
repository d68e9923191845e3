"""What the agent needs of a training framework.

An adapter is a package with a module that has ``install(module)``, called once the framework's
module was imported (``trainers.txt``), and a subclass of ``Trainer``, made for each training that
begins in this process.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Callable, TypeVar

from dualwatch import protocol
from dualwatch.agent import commands, files, heartbeat, overrides, pools
from dualwatch.agent.torch import (
    batch_outline,
    learning,
    loader_guard,
    model_outline,
    non_finite,
    weights,
)
from dualwatch.protocol import VALIDATION_PHASES, AgentCommand, Phase, environment

if TYPE_CHECKING:
    from types import TracebackType

    from dualwatch.agent.torch.objects import Module, Optimizer

_Result = TypeVar("_Result")

CHECKPOINT = "load_from"
"""The override that names what a training resumes from."""


class RescueError(Exception):
    """A rescue checkpoint cannot be saved; the message is the reason."""


class Trainer:
    """One training of this process: heartbeat, batches, loaders, rescue checkpoints.

    Attributes:
        framework: Its name, for the report.
        packages: Whose versions are reported.
        folder: The attempt's folder.
        orders: The supervisor's instructions for this attempt.
        heart: This rank's heartbeat, which knows epoch, iteration, batch and goals.
        batches: Records what the batches hold and which losses the model returned.
        learning: Observes what the optimizer's steps do to the parts of the model.
        non_finite: Looks for losses that are NaN or infinite.
        commands: Carries out the supervisor's commands; None with ``--no-rescue``.
        without_workers: The supervisor forbids loader workers.
    """

    framework = ""
    packages: tuple[str, ...] = ()
    described = ""
    """What is trained, where an override is none of it."""
    newest: Trainer | None = None
    """The one that follows this process now."""

    def __init__(self) -> None:
        if Trainer.newest is not None:
            Trainer.newest.retire()
        Trainer.newest = self
        self.folder = os.environ[protocol.ENV_ATTEMPT_DIR]
        rank = protocol.rank_from_environment(dict(os.environ))
        self.orders = overrides.read(self.folder)
        self.heart = heartbeat.HeartbeatWriter(self.folder, rank)
        self.batches = batch_outline.BatchRecorder(self.folder, rank)
        self.learning = learning.LearningRecorder(self.folder, rank)
        self.non_finite = non_finite.NonFiniteRecorder(self.folder, rank)
        self.without_workers = False
        self.commands: commands.CommandHandler | None = None
        if self.orders.rescue:
            self.commands = commands.CommandHandler(
                self.folder, self.heart, self.save, self.save_together
            )
        if os.environ.get(environment.NO_POOLS):
            pools.use_none()
        self.heart.beat(Phase.BUILDING)

    # --- what each framework does in its own way -------------------------------------------------

    def save(self, *, without_last: bool = False) -> str:
        """Saves a rescue checkpoint and returns its path.

        Args:
            without_last: The newest batch was not trained on: its iteration failed.

        Raises:
            RescueError: It cannot be done here.
        """
        raise RescueError(f"{self.framework}: rescue checkpoints are not supported")

    def save_together(self) -> str:
        """Saves one checkpoint of all ranks, or this rank's part of it, and returns its path.

        Raises:
            RescueError: It cannot be done here.
        """
        raise RescueError(f"{self.framework}: rescue checkpoints of several ranks")

    def is_whole(self, traceback: TracebackType | None) -> bool:
        """Whether the parameters are those of the last whole step, after an error in a step."""
        return False

    def retire(self) -> None:
        """Another training of this process is followed from now on."""

    # --- what is the same for all ----------------------------------------------------------------

    def guard(self, loader: object) -> object:
        """Takes a loader into care and returns it; anything else is returned as it is.

        Where the supervisor forbids workers, it gets none.
        """
        if self.commands is not None:
            loader_guard.guarded(loader, self.commands)
        guard = loader_guard.guard_of(loader)
        if guard is not None and self.without_workers:
            guard.disable_workers()
        return loader

    def take_overrides(
        self, arguments: dict[str, object] | None = None, resume_from: str = ""
    ) -> tuple[dict[str, object], dict[str, str]]:
        """Applies what can be changed from outside: the checkpoint to resume from, and no workers.

        Args:
            arguments: Of the call that trains; None where nothing can be resumed by it.
            resume_from: The one that takes a checkpoint.

        Returns:
            What was applied, and why the others were refused.
        """
        applied: dict[str, object] = {}
        refused: dict[str, str] = {}
        for key, value in self.orders.overrides.items():
            if key == protocol.WORKERS_KEY and value == 0:
                self.without_workers = True
            elif arguments is not None and key == CHECKPOINT:
                arguments[resume_from] = value
            elif arguments is None or key != "resume":  # Which a checkpoint implies.
                refused[key] = f"not an override of {self.described}"
                continue
            applied[key] = value
        return applied, refused

    def write_model(self, model: Module, optimizers: list[Optimizer]) -> None:
        """Records the parts of the model, before the first iteration, and observes its steps."""
        rank, words = self.heart.rank, self.orders.parts
        model_outline.write(model, optimizers, self.folder, rank, words)
        self.learning.follow(model, optimizers)
        self.non_finite.follow(model)

    def write_weights(self, model: Module, checkpoint: object) -> None:
        """Records how the weights of a checkpoint fit the model, before they are loaded."""
        weights.write(model, checkpoint, self.folder, self.heart.rank)

    def write_metrics(self, mode: str, metrics: dict[str, float]) -> None:
        """Records metrics of a framework whose log cannot be read: one line of JSON.

        Args:
            mode: "train", or "val" and "test" for the result of an evaluation.
        """
        heart = self.heart
        if heart.rank != 0 or not metrics:
            return
        line = {
            "mode": mode,
            "epoch": heart.epoch + 1,
            "iteration": heart.batch,
            "total": heart.batches or None,
            "metrics": metrics,
        }
        try:
            files.append(os.path.join(self.folder, protocol.METRICS_FILE), line)
        except OSError:
            files.note_error("recording metrics")

    def during(self, phase: str, method: Callable[..., _Result]) -> Callable[..., _Result]:
        """Wraps a method: while it runs, the heartbeat shows a phase."""

        @functools.wraps(method)
        def during(*args, **kwargs):
            before = self.heart.phase
            self.heart.beat(phase)
            try:
                return method(*args, **kwargs)
            finally:
                self.heart.beat(before)

        return during

    def rescuing(self, train: Callable[..., _Result]) -> Callable[..., _Result]:
        """Wraps the whole training: an error in it is preceded by a rescue checkpoint."""

        @functools.wraps(train)
        def rescuing(*args, **kwargs):
            try:
                return train(*args, **kwargs)
            except BaseException:
                self.save_before_death(sys.exc_info()[2])
                raise

        return rescuing

    def save_before_death(self, traceback: TracebackType | None) -> None:
        """Saves what was trained so far, where the error left it whole."""
        if self.commands is None or self.commands.ending:
            return
        phase = self.heart.phase
        in_step = phase == Phase.STEP
        answer = functools.partial(self.commands.answer, protocol.UNPROMPTED, AgentCommand.SAVE)
        try:
            if in_step and not self.is_whole(traceback):
                raise RescueError("the error came while parameters were being changed")
            if not in_step and phase not in (Phase.WAITING, *VALIDATION_PHASES):
                return
            answer(path=self.save(without_last=in_step))
        except RescueError as reason:
            answer(why=str(reason))
        except Exception as failure:
            files.note_error("saving a rescue checkpoint")
            answer(why=f"{type(failure).__name__}: {failure}")

    def report(self, applied: dict[str, object], refused: dict[str, str], work_dir: str) -> None:
        """Reports this training, and what became of the overrides, to the supervisor."""
        record: protocol.AgentDocument = {
            "pid": os.getpid(),
            "rank": self.heart.rank,
            "applied": applied,
            "refused": refused,
            "work_dir": os.path.abspath(work_dir),
            "versions": self._versions(),
            "framework": self.framework,
        }
        path = os.path.join(self.folder, protocol.agent_file(self.heart.rank))
        try:
            files.put(path, record, default=str)
        except OSError:
            files.note_error("reporting")  # A full disk: the overrides are in force all the same.

    def _versions(self) -> dict[str, str]:
        versions = {"python": sys.version.split()[0]}
        for name in ("torch", *self.packages):
            module = sys.modules.get(name)
            if module is not None:
                versions[name] = str(getattr(module, "__version__", "unknown"))
        return versions


def is_loader_worker() -> bool:
    """Whether this process is a loader worker, which may build trainers but trains nothing."""
    data = sys.modules.get("torch.utils.data")
    return data is not None and data.get_worker_info() is not None
