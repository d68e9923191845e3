"""accelerate's loaders, which read one batch ahead of the loop.

Such a loader wraps one of torch's, which is the one in care. By the batches that torch delivers
alone, a loop would always seem one iteration further than it is.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dualwatch.agent.torch import loader_guard

if TYPE_CHECKING:
    from typing import Callable, Protocol

    class ShardClass(Protocol):
        """The class of loaders that give each rank its share."""

        __iter__: Callable[..., Iterator[object]]

    class LoaderModule(Protocol):
        """accelerate's module of loaders."""

        DataLoaderShard: ShardClass


def install(module: LoaderModule) -> None:
    """Wraps the passes over accelerate's loaders."""
    shard = module.DataLoaderShard
    original = shard.__iter__

    @functools.wraps(original)
    def __iter__(self):
        base = self.__dict__.get("base_dataloader")
        if base is None:
            yield from original(self)
            return
        base.__dict__[loader_guard.READS_AHEAD] = True
        for batch in original(self):
            guard = loader_guard.guard_of(base)  # Made with the first batch.
            if guard is not None:
                guard.reached_loop(batch)
            yield batch

    shard.__iter__ = __iter__
