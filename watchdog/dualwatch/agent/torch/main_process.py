"""Loads batches in the training's main process, as torch's workers do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dualwatch.agent.torch.objects import DataLoader


def read(
    loader: DataLoader, pending: list[object], rest: Iterator[object], pinned: bool
) -> Iterator[object]:
    """Loads batches one by one.

    Args:
        loader: Whose dataset and collate function are used.
        pending: Batches of indices that were taken and not delivered.
        rest: The further ones, recorded as they are taken.
        pinned: Whether batches go into pinned memory.
    """
    from torch.utils.data._utils import fetch
    from torch.utils.data._utils.pin_memory import pin_memory

    kind = fetch._MapDatasetFetcher
    fetcher = kind(loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last)
    for indices in chain(pending, rest):
        batch = fetcher.fetch(indices)
        yield pin_memory(batch) if pinned else batch
