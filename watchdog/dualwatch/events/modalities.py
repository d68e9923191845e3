"""The words by which the field names its two modalities, in folders, keys and types."""

from __future__ import annotations

VISIBLE_WORDS = frozenset(("visible", "rgb", "vis"))
INFRARED_WORDS = frozenset(
    ("infrared", "thermal", "lwir", "mwir", "swir", "ir", "nir", "tir", "fir")
)

CONTRASTIVE_WORDS = r"macl|.*macl$|nce$|infonce|contrast|supcon|simclr|ntxent"
"""Of a word in the name of a module; "nce" alone, since it is also the end of "instance"."""
