"""The words by which the field names its two modalities, in folders, keys and types."""

from __future__ import annotations

VISIBLE_WORDS = frozenset(("visible", "rgb", "vis"))
INFRARED_WORDS = frozenset(
    ("infrared", "thermal", "lwir", "mwir", "swir", "ir", "nir", "tir", "fir")
)
