"""Waits for the first pass over a DataLoader of this process.

``install`` runs wherever torch's loaders are imported, in spawned workers too, so it imports
little: the trainer is made when a loader of the training is read for the first time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualwatch.agent import files
from dualwatch.agent.torch import first_pass

if TYPE_CHECKING:
    from typing import Protocol

    from dualwatch.agent.torch.objects import LoaderClass

    class LoaderModule(Protocol):
        """torch's module of loaders."""

        DataLoader: LoaderClass


def install(module: LoaderModule) -> None:
    """Has the loop followed that reads a loader, unless a framework's adapter follows it."""
    first_pass.before(module.DataLoader, _take_into_care)


def _take_into_care(loader: object) -> None:
    try:
        from dualwatch.agent.plain import trainer

        trainer.take_into_care(loader)
    except Exception:
        files.note_error("following a loop")
