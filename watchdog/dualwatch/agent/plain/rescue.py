"""The rescue checkpoint of a loop: what torch's own objects hold, found where they live."""

from __future__ import annotations

import gc
import os
import shutil
from typing import TYPE_CHECKING, Callable, Mapping, TypeVar

from dualwatch import protocol
from dualwatch.agent import files, ranks
from dualwatch.agent.torch import model_outline, rng

_T = TypeVar("_T")

if TYPE_CHECKING:
    from dualwatch.agent.heartbeat import HeartbeatWriter
    from dualwatch.agent.torch.loader_guard import LoaderGuard
    from dualwatch.agent.torch.objects import Module, Optimizer


own_forms: list[Callable[[str], bool]] = []
"""Each saves into a folder what a library that prepared the loop's objects can load by itself, and
returns whether it has prepared any."""


def save(
    work_dir: str,
    optimizers: list[Optimizer],
    leader: LoaderGuard | None,
    heart: HeartbeatWriter,
    *,
    without_last: bool = False,
    parts: Mapping[int, object] | None = None,
) -> str:
    """Saves what a loop needs to continue, and returns the path of the file or folder.

    Args:
        work_dir: Where it is saved.
        optimizers: Those that have made a step.
        leader: The guard of the training loader.
        heart: Knows epoch and iteration.
        without_last: The newest batch was not trained on.
        parts: Rank -> what another rank adds; None where there is one rank.
    """
    import torch

    position = place(leader, heart, without_last=without_last)
    folder = os.path.join(work_dir, protocol.RESCUE_FOLDER.format(heart.iteration))
    # What others save would wait for all ranks.
    for save_into in own_forms if parts is None else ():
        shutil.rmtree(folder + ".part", ignore_errors=True)
        if save_into(folder + ".part"):
            torch.save(position, os.path.join(folder + ".part", protocol.PLACE_FILE))
            shutil.rmtree(folder, ignore_errors=True)  # Of an earlier attempt at this iteration.
            files.replace(folder + ".part", folder)
            return folder
    path = os.path.join(work_dir, protocol.RESCUE_NAME.format(heart.iteration))
    of_ranks = {ranks.KEY: dict(parts)} if parts is not None else {}
    torch.save({**state(optimizers), **position, **of_ranks}, path + ".part")
    files.replace(path + ".part", path)
    return path


def models_of(optimizers: list[Optimizer]) -> list[Module]:
    """The models whose parameters the optimizers hold, without their parts; the largest first."""
    import torch

    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    held = {id(one) for group in groups for one in group["params"]}
    modules = _living(torch.nn.Module)
    parts = {id(child) for one in modules for child in one._modules.values()}
    roots = [
        one
        for one in modules
        if id(one) not in parts and any(id(value) in held for value in one.parameters())
    ]
    return sorted(roots, key=lambda one: -sum(value.numel() for value in one.parameters()))


def state(optimizers: list[Optimizer]) -> dict[str, object]:
    """The states of a loop's objects, in types that load with ``weights_only``."""
    return {
        "models": [model_outline.unwrapped(one).state_dict() for one in models_of(optimizers)],
        **_beside(optimizers),
        "random": rng.states(),
    }


def _beside(optimizers: list[Optimizer]) -> dict[str, object]:
    """The states of the optimizers, and of the schedulers and scalers that belong to them."""
    import torch

    schedulers = [
        one
        for one in _living(torch.optim.lr_scheduler.LRScheduler)
        if any(getattr(one, "optimizer", None) is optimizer for optimizer in optimizers)
    ]
    scalers = _living(torch.amp.GradScaler) if hasattr(torch.amp, "GradScaler") else []
    return {
        "optimizers": [one.state_dict() for one in optimizers],
        "schedulers": [one.state_dict() for one in schedulers],
        "scalers": [one.state_dict() for one in scalers if one.is_enabled()],
    }


def place(
    leader: LoaderGuard | None, heart: HeartbeatWriter, *, without_last: bool = False
) -> dict[str, object]:
    """How far a loop is, in types that load with ``weights_only``."""
    found: dict[str, object] = {"epoch": heart.epoch, "iteration": heart.iteration}
    if leader is None:
        return {**found, "batches": None, "position": None, "order": None}
    untrained = leader.ahead + without_last
    return {
        **found,
        "batches": leader.tracker.batches - untrained,
        "position": leader.tracker.position(untrained=untrained),
        "order": leader.order_state,
    }


def _living(kind: type[_T]) -> list[_T]:
    """The objects of a class. By their type: ``isinstance`` may run code of a foreign object."""
    return [one for one in gc.get_objects() if issubclass(type(one), kind)]
