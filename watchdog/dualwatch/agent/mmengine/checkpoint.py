"""Writes and restores rescue checkpoints: the training's whole state at the present iteration.

Written to a temporary name, loaded once to verify it, then renamed. Besides what mmengine saves it
contains the position in the data, the random states and, in the middle of an accumulation, the
gradients, so that the next attempt resumes exactly.
"""

from __future__ import annotations

import contextlib
import glob
import os
from typing import TYPE_CHECKING

from dualwatch import protocol
from dualwatch.agent import files, ranks
from dualwatch.agent.torch import rng
from dualwatch.agent.trainer import RescueError

if TYPE_CHECKING:
    from types import TracebackType

    from dualwatch.agent.mmengine.objects import AveragingHook, RescuedState, Runner

KEY = "dualwatch"
"""In a checkpoint: what only a rescue contains."""


def save(runner: Runner, iteration: int, meta: dict[str, object], *, validating: bool) -> str:
    """Writes a rescue checkpoint into the Runner's work dir and returns its path.

    Args:
        iteration: Iterations completed.
        meta: Epoch, iteration and the rest of the checkpoint's ``meta``.
        validating: A validation is running, for which hooks may have swapped the weights.

    Raises:
        RescueError: It cannot be done here.
        OSError: It cannot be written.
    """
    if getattr(runner, "strategy", None) is not None:
        raise RescueError("the Runner has a strategy of its own for checkpoints")
    folder = str(runner.work_dir)
    path = os.path.join(folder, protocol.RESCUE_NAME.format(iteration))
    beside = os.path.basename(path) + ".part"
    with _swapped_back(runner, validating):
        runner.save_checkpoint(folder, beside, meta=meta, by_epoch=False)
    beside = os.path.join(folder, beside)
    try:
        _verify(beside, runner)
        _sync(beside)
        files.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    _announce(folder, path)
    return path


def extras(runner: Runner) -> RescuedState:
    """What only a rescue checkpoint contains."""
    kept: RescuedState = {"random": rng.states()}
    wrapper = getattr(runner, "optim_wrapper", None)
    counts = getattr(wrapper, "_accumulative_counts", 1)
    if counts > 1 and getattr(wrapper, "_inner_count", 0) % counts:
        kept["gradients"] = {
            name: parameter.grad.detach().cpu()
            for name, parameter in runner.model.named_parameters()
            if parameter.grad is not None
        }
    return kept


def restore(runner: Runner, kept: RescuedState) -> None:
    """Restores gradients and random states of a rescue checkpoint in a resumed training."""
    gradients = kept.get("gradients", {})
    for name, parameter in runner.model.named_parameters():
        if name in gradients:
            parameter.grad = gradients[name].to(parameter.device, parameter.dtype)
    rng.restore(kept["random"])


def is_whole(runner: Runner, traceback: TracebackType | None) -> bool:
    """Whether an error in a step left the parameters of the last whole step.

    True unless the optimizer was running or gradients had been accumulated.
    """
    wrapper = getattr(runner, "optim_wrapper", None)
    optimizer = getattr(wrapper, "optimizer", None)
    counts = getattr(wrapper, "_accumulative_counts", 1)
    if optimizer is None:
        return False
    while traceback is not None:
        owner = traceback.tb_frame.f_locals.get("self")
        if owner is optimizer:
            return False
        traceback = traceback.tb_next
    return counts <= 1 or _steps_done(wrapper) % counts == 0


def _steps_done(wrapper: object) -> int:
    return int(getattr(wrapper, "_inner_count", 0))


def averaging(runner: Runner) -> list[AveragingHook]:
    """Hooks that swap in an averaged model (EMA) for a validation."""
    return [hook for hook in runner.hooks if hasattr(hook, "_swap_ema_parameters")]


@contextlib.contextmanager
def _swapped_back(runner: Runner, validating: bool):
    """Swaps the trained model back while an averaged one is being validated."""
    hooks = averaging(runner) if validating else []
    for hook in hooks:
        hook._swap_ema_parameters()
    try:
        yield
    finally:
        for hook in hooks:
            hook._swap_ema_parameters()


def _verify(path: str, runner: Runner) -> None:
    """Loads the file as the next attempt will."""
    import torch

    loaded = torch.load(path, map_location="cpu", **ranks.protected())
    model = getattr(runner.model, "module", runner.model)
    missing = set(model.state_dict()) - set(loaded["state_dict"])
    if missing or KEY not in loaded:
        raise RescueError(f"the written file lacks {sorted(missing)[:3] or KEY}")


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _announce(folder: str, path: str) -> None:
    """Points mmengine's own ``--resume`` to it and removes older rescues."""
    last = os.path.join(folder, "last_checkpoint")
    with open(last + ".part", "w", encoding="utf-8") as stream:
        stream.write(path)
    files.replace(last + ".part", last)
    for older in glob.glob(os.path.join(glob.escape(folder), protocol.RESCUE_NAME.format("*"))):
        if older != path:
            with contextlib.suppress(OSError):
                os.unlink(older)
