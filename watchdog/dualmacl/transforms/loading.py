"""Reads the two images of a pair."""

from __future__ import annotations

import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmdet.registry import TRANSFORMS
from mmengine.fileio import get


class PairShapeError(ValueError):
    """The two images of a pair do not have the same size; the message names both files."""


@TRANSFORMS.register_module()
class LoadImagePair(LoadImageFromFile):
    """Loads ``img_path`` into ``img`` and ``infrared_path`` into ``img_infrared``.

    Both are BGR arrays (H, W, 3); a grey infrared image gets three equal channels, so that a
    backbone made for colour can be used on it.

    Raises:
        KeyError: If the sample holds no pair (``return_modality_pair=False``).
        PairShapeError: If the two images differ in size: pairs have to be registered.
        OSError: If a file cannot be read or decoded. With ``ignore_empty=True`` the sample is
            skipped instead (``None``); it is never reduced to one modality.
    """

    def transform(self, results: dict) -> dict | None:
        """See the class."""
        if "infrared_path" not in results:
            raise KeyError(
                f"the sample {results.get('img_path')!r} has no 'infrared_path': LoadImagePair "
                "needs a data set with return_modality_pair=True"
            )
        try:
            visible, infrared = self.read_pair(results["img_path"], results["infrared_path"])
        except OSError:
            if self.ignore_empty:
                return None
            raise
        if visible.shape[:2] != infrared.shape[:2]:
            raise PairShapeError(
                "the images of a pair must be registered and of one size (H, W): "
                f"{results['img_path']} is {visible.shape[:2]}, "
                f"{results['infrared_path']} is {infrared.shape[:2]}"
            )
        results["img"], results["img_infrared"] = visible, infrared
        results["img_shape"] = results["ori_shape"] = visible.shape[:2]
        return results

    def read_pair(self, visible: str, infrared: str) -> tuple[np.ndarray, np.ndarray]:
        """Reads the two files, the visible one first."""
        return self.read(visible), self.read(infrared)

    def read(self, path: str) -> np.ndarray:
        """Reads and decodes one image file into an array (H, W, 3)."""
        data = get(path, backend_args=self.backend_args)
        # OpenCV asserts on an empty buffer instead of returning nothing.
        image = (
            mmcv.imfrombytes(data, flag="color", backend=self.imdecode_backend) if data else None
        )
        if image is None:
            raise OSError(f"cannot decode the image {path} ({len(data)} bytes)")
        return image.astype(np.float32) if self.to_float32 else image
