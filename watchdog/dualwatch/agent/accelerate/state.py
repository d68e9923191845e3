"""Rescue checkpoints in accelerate's own form, which ``Accelerator.load_state`` reads."""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING

from dualwatch.agent.plain import rescue
from dualwatch.agent.trainer import is_loader_worker

if TYPE_CHECKING:
    from typing import Callable, Protocol

    class Project(Protocol):
        """Where an Accelerator saves."""

        automatic_checkpoint_naming: bool
        iteration: int

    class Accelerator(Protocol):
        """accelerate's own object of a training."""

        _models: list[object]
        _optimizers: list[object]
        project_configuration: Project
        save_state: Callable[[str], object]

    class AcceleratorModule(Protocol):
        """The module of the Accelerator."""

        Accelerator: type[Accelerator]


_living: weakref.WeakSet[Accelerator] = weakref.WeakSet()


def install(module: AcceleratorModule) -> None:
    """Remembers each Accelerator of this process."""
    accelerator_class = module.Accelerator
    original = accelerator_class.__init__

    @functools.wraps(original)
    def __init__(self, *args, **kwargs):
        original(self, *args, **kwargs)
        if not is_loader_worker():
            _living.add(self)

    accelerator_class.__init__ = __init__  # type: ignore[method-assign]
    rescue.own_forms.append(_save)


def _save(folder: str) -> bool:
    """Saves the state of the one Accelerator that has prepared a model; whether there is one."""
    found = [one for one in _living if one._models and one._optimizers]
    if len(found) != 1:
        return False
    (accelerator,) = found
    project = accelerator.project_configuration
    before = project.automatic_checkpoint_naming, project.iteration
    # Or it would choose the folder, and delete the oldest of those that the script has saved.
    project.automatic_checkpoint_naming = False
    try:
        accelerator.save_state(folder)
    finally:
        project.automatic_checkpoint_naming, project.iteration = before
    return True
