"""Packs a pair for the model."""

from __future__ import annotations

import numpy as np
import torch
from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import TRANSFORMS

META_KEYS = (
    "img_id",
    "img_path",
    "infrared_path",
    "ori_shape",
    "img_shape",
    "scale_factor",
    "flip",
    "flip_direction",
)


@TRANSFORMS.register_module()
class PackPairedInputs(PackDetInputs):
    """``mmdet.PackDetInputs`` for a pair.

    ``inputs`` becomes ``{"visible": (3, H, W), "infrared": (3, H, W)}``, tensors of the images'
    own type. The data sample is the ordinary one, with ``infrared_path`` among its meta data.
    """

    def __init__(self, meta_keys: tuple[str, ...] = META_KEYS) -> None:
        super().__init__(meta_keys=meta_keys)

    def transform(self, results: dict) -> dict:
        """See the class.

        Raises:
            KeyError: If there is no second image.
        """
        if "img_infrared" not in results:
            raise KeyError("PackPairedInputs needs 'img_infrared': use LoadImagePair before")
        infrared = results["img_infrared"].transpose(2, 0, 1)
        packed = super().transform(results)
        packed["inputs"] = {
            "visible": packed["inputs"],
            "infrared": torch.from_numpy(np.ascontiguousarray(infrared)),
        }
        return packed
