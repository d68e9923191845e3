"""Wrong partners: every visible image gets the infrared image of another scene."""

from __future__ import annotations

import numpy as np
from mmdet.registry import DATASETS

from ..datasets import LLVIPDataset


@DATASETS.register_module()
class ShuffledLLVIPDataset(LLVIPDataset):
    """``LLVIPDataset`` whose infrared images are dealt out anew, none to its own scene.

    Nothing is missing and nothing raises: only ``loss_macl`` can tell.

    Args:
        shuffle_seed: Seed of the dealing.
        kwargs: See ``LLVIPDataset``.
    """

    def __init__(self, *args, shuffle_seed: int = 0, **kwargs) -> None:
        self.shuffle_seed = shuffle_seed
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict]:
        """The paired records, with the infrared paths moved along one random cycle.

        Raises:
            ValueError: If there is only one pair.
        """
        records = super().load_data_list()
        if len(records) < 2:
            raise ValueError("at least two pairs are needed to mix them up")
        cycle = np.random.default_rng(self.shuffle_seed).permutation(len(records))
        paths = [record["infrared_path"] for record in records]
        for here, there in zip(cycle, np.roll(cycle, 1), strict=True):
            records[here]["infrared_path"] = paths[there]
        return records
