"""Loads batches in the training's main process, as torch's workers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from dualwatch.agent.torch.objects import DataLoader


def fetcher(loader: DataLoader, pinned: bool) -> Callable[[object], object]:
    """Loads the batch of some indices.

    Args:
        loader: Whose dataset and collate function are used.
        pinned: Whether batches go into pinned memory.
    """
    from torch.utils.data._utils import fetch
    from torch.utils.data._utils.pin_memory import pin_memory

    kind = fetch._MapDatasetFetcher
    made = kind(loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last)

    def load(indices: object) -> object:
        batch: object = made.fetch(indices)
        return pin_memory(batch) if pinned else batch

    return load
