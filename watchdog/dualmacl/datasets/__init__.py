"""Paired data sets; importing this registers them with MMDetection."""

from .kaist import KAISTPairedDataset
from .llvip import LLVIPDataset
from .paired import PairedVOCDataset
from .pairing import MissingPairError, Pair, match_pairs

__all__ = [
    "KAISTPairedDataset",
    "LLVIPDataset",
    "MissingPairError",
    "Pair",
    "PairedVOCDataset",
    "match_pairs",
]
