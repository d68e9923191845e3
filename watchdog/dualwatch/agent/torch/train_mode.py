"""Which parts of a model were left in eval mode although they are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dualwatch.agent.torch.objects import Module


def is_left_in_eval(model: Module, path: str, module: Module) -> bool:
    """Whether a part that is trained was in eval mode in a step, and its result depends on that.

    Statistics of a norm layer that are frozen on purpose leave the part itself in training mode,
    and a part that is frozen is not trained.
    """
    if module.training or not any(one.requires_grad for one in module.parameters()):
        return False
    above, on_the_way = model, [model]
    for name in path.split(".") if path else ():
        above = above._modules[name]
        on_the_way.append(above)
    if any(getattr(one, "norm_eval", False) for one in on_the_way):
        return False
    if path and _is_norm(module):
        return False  # Its statistics are frozen, whatever the option is called.
    return any(_depends_on_mode(one) for one in module.modules() if not one.training)


def _is_norm(module) -> bool:
    return hasattr(module, "running_mean")


def _depends_on_mode(module) -> bool:
    """Whether a layer computes something else in training: running statistics, dropout."""
    if getattr(module, "running_mean", None) is not None:
        return True
    name = type(module).__name__
    return "Drop" in name and bool(getattr(module, "p", getattr(module, "drop_prob", 0.0)))
