"""Waits for the first pass over a DataLoader of this process.

``install`` runs wherever torch's loaders are imported, in spawned workers too, so it imports
nothing: the trainer is made when a loader of the training is read for the first time.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from dualwatch.agent import files

if TYPE_CHECKING:
    from typing import Protocol

    from dualwatch.agent.torch.objects import LoaderClass

    class LoaderModule(Protocol):
        """torch's module of loaders."""

        DataLoader: LoaderClass


def install(module: LoaderModule) -> None:
    """Has the loop followed that reads a loader, unless a framework's adapter follows it."""
    loader_class = module.DataLoader
    original = loader_class._get_iterator
    pid = os.getpid()

    @functools.wraps(original)
    def _get_iterator(self):
        if os.getpid() == pid and not hasattr(self, "_dualwatch"):
            try:
                from dualwatch.agent.plain import trainer

                trainer.take_into_care(self)
            except Exception:
                files.note_error("following a loop")
            if hasattr(self, "_dualwatch"):
                return self._get_iterator()
        return original(self)

    loader_class._get_iterator = _get_iterator
