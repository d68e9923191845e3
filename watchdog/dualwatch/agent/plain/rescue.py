"""The rescue checkpoint of a loop: what torch's own objects hold, found where they live."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, TypeVar

from dualwatch.agent.torch import rng

_T = TypeVar("_T")

if TYPE_CHECKING:
    from dualwatch.agent.heartbeat import HeartbeatWriter
    from dualwatch.agent.torch.loader_guard import LoaderGuard
    from dualwatch.agent.torch.objects import Module, Optimizer


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


def state(
    optimizers: list[Optimizer],
    leader: LoaderGuard | None,
    heart: HeartbeatWriter,
    *,
    without_last: bool,
) -> dict[str, object]:
    """What a loop needs to continue, in types that load with ``weights_only``.

    Args:
        optimizers: Those that have made a step.
        leader: The guard of the training loader.
        heart: Knows epoch and iteration.
        without_last: The newest batch was not trained on.
    """
    import torch

    schedulers = [
        one
        for one in _living(torch.optim.lr_scheduler.LRScheduler)
        if any(getattr(one, "optimizer", None) is optimizer for optimizer in optimizers)
    ]
    scalers = _living(torch.amp.GradScaler) if hasattr(torch.amp, "GradScaler") else []
    tracker = leader.tracker if leader is not None else None
    return {
        "models": [one.state_dict() for one in models_of(optimizers)],
        "optimizers": [one.state_dict() for one in optimizers],
        "schedulers": [one.state_dict() for one in schedulers],
        "scalers": [one.state_dict() for one in scalers if one.is_enabled()],
        "random": rng.states(),
        "epoch": heart.epoch,
        "iteration": heart.iteration,
        "batches": tracker.batches - without_last if tracker is not None else None,
        "position": tracker.position(without_last=without_last) if tracker is not None else None,
        "order": leader.order_state if leader is not None else None,
    }


def _living(kind: type[_T]) -> list[_T]:
    """The objects of a class. By their type: ``isinstance`` may run code of a foreign object."""
    return [one for one in gc.get_objects() if issubclass(type(one), kind)]
