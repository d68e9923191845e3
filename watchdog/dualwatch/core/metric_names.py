"""Names of metrics as tags spell them."""

from __future__ import annotations


def without_mode(key: str, mode: str) -> str:
    """``train/loss_cls`` -> ``loss_cls``: a tag with the name of the loop before it."""
    return key[len(mode) + 1 :] if key.startswith(mode + "/") else key


def is_metric(tag: str, name: str) -> bool:
    """Whether a tag is a metric's, with or without the ``train/`` of hierarchical tags."""
    return tag == name or tag.endswith("/" + name) or name.endswith("/" + tag)
