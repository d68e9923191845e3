"""Calls back before a DataLoader makes its first iterator.

At that moment the loader is complete and its workers are not started yet. Nothing else is imported:
spawned workers import torch's loaders too.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from dualwatch.agent.torch.objects import LoaderClass


def before(loader_class: LoaderClass, guard: Callable[[object], object]) -> None:
    """Has each loader of this process guarded before its first pass.

    Args:
        loader_class: torch's own; an earlier callback on it is replaced.
        guard: Gives the loader a guard, or leaves it alone.
    """
    present = loader_class._get_iterator
    original = getattr(present, "__wrapped__", present)
    pid = os.getpid()

    @functools.wraps(original)
    def _get_iterator(self):
        if os.getpid() == pid and not hasattr(self, "_dualwatch"):
            guard(self)
            if hasattr(self, "_dualwatch"):
                return self._get_iterator()
        return original(self)

    loader_class._get_iterator = _get_iterator
