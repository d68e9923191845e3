"""Geometry for pairs: one random draw, both images, and the boxes.

The two images are laid on top of each other as one image of six channels, MMDetection's own
transform is applied to that, and the result is taken apart again. So the two images cannot be
treated differently, whatever the transform draws.
"""

from __future__ import annotations

import numpy as np
from mmdet.datasets.transforms import RandomCrop, RandomFlip, Resize
from mmdet.registry import TRANSFORMS


class _OnBothImages:
    """Mixin, to be put before a transform that works on ``img``."""

    def transform(self, results: dict) -> dict | None:
        """Applies the transform to ``img`` and ``img_infrared`` as one image.

        Raises:
            KeyError: If there is no second image.
        """
        if "img_infrared" not in results:
            raise KeyError(f"{type(self).__name__} needs 'img_infrared': use LoadImagePair before")
        channels = results["img"].shape[2]
        results["img"] = np.concatenate([results["img"], results.pop("img_infrared")], axis=2)
        transformed = super().transform(results)
        if transformed is None:  # a crop without a box: the sample is drawn anew
            return None
        stack = transformed["img"]
        transformed["img"] = np.ascontiguousarray(stack[..., :channels])
        transformed["img_infrared"] = np.ascontiguousarray(stack[..., channels:])
        return transformed


@TRANSFORMS.register_module()
class PairedResize(_OnBothImages, Resize):
    """``mmdet.Resize`` for a pair."""


@TRANSFORMS.register_module()
class PairedRandomFlip(_OnBothImages, RandomFlip):
    """``mmdet.RandomFlip`` for a pair."""


@TRANSFORMS.register_module()
class PairedRandomCrop(_OnBothImages, RandomCrop):
    """``mmdet.RandomCrop`` for a pair."""
