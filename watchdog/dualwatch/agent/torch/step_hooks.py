"""Hooks of a training's steps and forward passes that come off again."""

from __future__ import annotations

import functools
import importlib
import types
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from dualwatch.agent.torch.objects import Handle, Module


def before_forward(called: set[int]) -> Handle:
    """Notes the modules whose forward pass runs."""
    hooks: Any = importlib.import_module("torch.nn.modules.module")

    def call(module, _):
        called.add(id(module))

    handle: Handle = hooks.register_module_forward_pre_hook(call)
    return handle


def after_step(optimizer: Any, note: Callable[..., None]) -> Handle:
    """Calls ``note`` after each step of an optimizer until the result is removed."""
    register = getattr(optimizer, "register_step_post_hook", None)
    return register(note) if register is not None else _WrappedStep(optimizer, note)


class _WrappedStep:
    """The same for torch before 2.0: a method in the place of ``step``, as schedulers do it."""

    def __init__(self, optimizer: Any, note: Callable[..., None]) -> None:
        original = optimizer.step

        @functools.wraps(original)
        def step(self, *args, **kwargs):
            result = original(*args, **kwargs)
            note(self)
            return result

        self._optimizer, self._before = optimizer, optimizer.__dict__.get("step")
        self._own = optimizer.step = types.MethodType(step, optimizer)

    def remove(self) -> None:
        """Puts back what was there, unless something was put on top of it since."""
        if self._optimizer.__dict__.get("step") is not self._own:
            return
        if self._before is None:
            del self._optimizer.step
        else:
            self._optimizer.step = self._before


def is_compiled(model: Module) -> bool:
    """Whether a part of the model was compiled: a hook of all modules would compile it again."""
    return any("_orig_mod" in module._modules for module in model.modules())
