"""A loop of the user's own: its guarded loaders, its progress, rescue checkpoints."""

from __future__ import annotations

import atexit
import functools
import importlib
import os
import sys
from typing import TYPE_CHECKING, Callable

from dualwatch import protocol
from dualwatch.agent import files, ranks
from dualwatch.agent.plain import rescue
from dualwatch.agent.plain.progress import MOST_LOSSES, LoopProgress
from dualwatch.agent.torch import loader_guard, rng
from dualwatch.agent.trainer import RescueError, Trainer, is_loader_worker
from dualwatch.protocol import Phase

if TYPE_CHECKING:
    from types import TracebackType

    from dualwatch.agent.torch.objects import Optimizer


def take_into_care(loader: object) -> None:
    """Guards a loader that is about to be read, where this process is a loop of the user's own."""
    followed = Trainer.newest
    if followed is None and not is_loader_worker() and not _is_followed_already():
        followed = PlainTrainer()
    if isinstance(followed, PlainTrainer):
        followed.guard(loader)


def _is_followed_already() -> bool:
    """Whether another living process reports as this rank: a helper must not replace it."""
    rank = protocol.rank_from_environment(dict(os.environ))
    path = os.path.join(os.environ[protocol.ENV_ATTEMPT_DIR], protocol.heartbeat_file(rank))
    try:
        with open(path, "rb") as file:
            record = protocol.read_record(file.read())
        if record is None or record.pid == os.getpid():
            return False
        # On Windows signal 0 is Ctrl-C; there every other process of the attempt counts as alive.
        if os.name == "posix":
            os.kill(record.pid, 0)
    except OSError:
        return False
    return True


def _world() -> int:
    """Ranks of this training."""
    import torch

    several = torch.distributed.is_available() and torch.distributed.is_initialized()
    return int(torch.distributed.get_world_size()) if several else 1


class PlainTrainer(Trainer):
    """A loop that reads loaders and steps optimizers without a framework."""

    framework = "pytorch"
    packages = ("accelerate", "transformers", "torchvision")
    described = "a loop of its own"

    def __init__(self) -> None:
        super().__init__()
        self._pid = os.getpid()
        self._work_dir = os.path.dirname(os.path.dirname(os.path.abspath(self.folder)))
        log = functools.partial(self.write_metrics, "train")
        self.progress = LoopProgress(
            self.heart, self.batches, self.commands, log, self.learning, self.non_finite
        )
        self._optimizers: dict[int, Optimizer] = {}
        self._in_update = False
        self._follow_torch()
        if self.commands is not None:
            self.commands.listen()
        self._follow_end()
        self.report(*self.take_overrides(), self._work_dir)

    def guard(self, loader: object) -> object:
        """Takes a loader into care, without workers where the supervisor forbids them."""
        try:
            guard = loader_guard.LoaderGuard(loader, self.progress)  # type: ignore[arg-type]
            if self.without_workers:
                guard.disable_workers()
        except Exception:
            files.note_error("guarding a loader")
        return loader

    def retire(self) -> None:
        """Leaves the reports to a framework's adapter."""
        self.progress.retired = True
        import torch

        if torch.save is self._torch_save:
            torch.save = self._torch_save.__wrapped__

    def save(self, *, without_last: bool = False) -> str:
        """Saves model, optimizers, schedulers, random states and position; see ``Trainer.save``."""
        if _world() > 1:
            raise RescueError("several ranks: each stopped at another position")
        if not without_last:
            self.progress.finish_iteration()
        self._require_progress()
        return rescue.save(
            self._work_dir,
            [*self._optimizers.values()],
            self.progress.leader,
            self.heart,
            without_last=without_last,
        )

    def save_together(self) -> str:
        """Saves one checkpoint of all ranks; see ``Trainer.save_together``."""
        heart, optimizers = self.heart, [*self._optimizers.values()]
        self._require_progress()
        ranks.require(_world(), rescue.models_of(optimizers), optimizers)
        if heart.rank > 0:
            part = {"random": rng.states(), **rescue.place(self.progress.leader, heart)}
            return ranks.put(self.folder, heart.rank, heart.iteration, part)
        parts = ranks.collect(self.folder, _world(), heart.iteration)
        return rescue.save(self._work_dir, optimizers, self.progress.leader, heart, parts=parts)

    def _require_progress(self) -> None:
        heart = self.heart
        if heart.begun < 0 or heart.iteration <= heart.begun or not self._optimizers:
            raise RescueError("nothing was trained since the start")

    def is_whole(self, traceback: TracebackType | None) -> bool:
        """Whether no optimizer was in the middle of its step."""
        return not self._in_update

    # --- torch's own objects ---------------------------------------------------------------------

    def _follow_torch(self) -> None:
        import torch

        optim = importlib.import_module("torch.optim.optimizer")
        # Since torch 2.1; without them iterations are counted by batches all the same.
        before = getattr(optim, "register_optimizer_step_pre_hook", None)
        after = getattr(optim, "register_optimizer_step_post_hook", None)
        if before is not None and after is not None:
            before(self._before_step)
            after(self._after_step)
        torch.save = self._torch_save = self.during(Phase.SAVING, torch.save)
        torch.Tensor.backward = self._noting_losses(torch.Tensor.backward)

    def _noting_losses(self, backward: Callable[..., None]) -> Callable[..., None]:
        """Wraps ``Tensor.backward``: what a loop calls it on is its loss."""

        @functools.wraps(backward)
        def noting_losses(tensor, *args, **kwargs):
            losses = self.progress.losses
            if tensor.numel() == 1 and len(losses) < MOST_LOSSES and not self.progress.retired:
                losses.append(tensor.detach())
            return backward(tensor, *args, **kwargs)

        return noting_losses

    def _before_step(self, optimizer: Optimizer, *_: object) -> None:
        self._in_update = True

    def _after_step(self, optimizer: Optimizer, *_: object) -> None:
        self._in_update = False
        if self.progress.retired:
            return
        try:
            if id(optimizer) not in self._optimizers:
                self._optimizers[id(optimizer)] = optimizer
                self._write_model()
            self.progress.stepped()
        except Exception:
            files.note_error("following an optimizer")

    def _write_model(self) -> None:
        optimizers = [*self._optimizers.values()]
        models = rescue.models_of(optimizers)
        if models:
            self.write_model(models[0], optimizers)

    # --- the end ---------------------------------------------------------------------------------

    def _follow_end(self) -> None:
        atexit.register(self._ended)
        original = sys.excepthook

        @functools.wraps(original)
        def excepthook(kind, error, traceback):
            if os.getpid() == self._pid and not self.progress.retired:
                self.save_before_death(traceback)
            original(kind, error, traceback)

        sys.excepthook = excepthook

    def _ended(self) -> None:
        """The script ran to its end; after an error its exit code says more."""
        failed = getattr(sys, "last_value", None) is not None
        if os.getpid() != self._pid or failed or self.progress.retired:
            return
        self.progress.finish_iteration()
        self.non_finite.finish()
        self.heart.beat(Phase.FINISHED)
