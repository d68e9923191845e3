"""Faults on purpose, to show what a watchdog is for. No healthy configuration names them."""

from .locking_loader import LockingPairLoader
from .shuffled_pairs import ShuffledLLVIPDataset

__all__ = ["LockingPairLoader", "ShuffledLLVIPDataset"]
