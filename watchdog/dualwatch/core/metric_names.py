"""Names of metrics as tags spell them."""

from __future__ import annotations

from collections.abc import Mapping

_OF_EVALUATION = "eval_"
_SPEED = ("runtime", "samples_per_second", "steps_per_second")
"""Of an evaluation, beside its metrics."""


def without_mode(key: str, mode: str) -> str:
    """``train/loss_cls`` -> ``loss_cls``: a tag with the name of the loop before it."""
    return key[len(mode) + 1 :] if key.startswith(mode + "/") else key


def is_metric(tag: str, name: str) -> bool:
    """Whether a tag is a metric's, with or without the ``train/`` of hierarchical tags."""
    return tag == name or tag.endswith("/" + name) or name.endswith("/" + tag)


def of_evaluation(values: Mapping[str, float]) -> dict[str, float]:
    """The metrics among the values of a row whose names begin with ``eval_``, without that."""
    return {
        key.removeprefix(_OF_EVALUATION): value
        for key, value in values.items()
        if key.startswith(_OF_EVALUATION) and not key.endswith(_SPEED)
    }
