"""Transforms of image pairs; importing this registers them with MMDetection."""

from .formatting import PackPairedInputs
from .geometry import PairedRandomCrop, PairedRandomFlip, PairedResize
from .loading import LoadImagePair, PairShapeError

__all__ = [
    "LoadImagePair",
    "PackPairedInputs",
    "PairShapeError",
    "PairedRandomCrop",
    "PairedRandomFlip",
    "PairedResize",
]
