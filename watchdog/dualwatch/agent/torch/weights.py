"""Records how the weights of a checkpoint fit the model that they are loaded into."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dualwatch.agent import files
from dualwatch.agent.torch import model_outline
from dualwatch.protocol import model as records

if TYPE_CHECKING:
    from dualwatch.agent.torch.objects import Module

MOST = 100
SHOWN = 6
LENGTH = 200

_COUNTER = "num_batches_tracked"
"""Of norm layers; checkpoints of older versions lack it, and nothing depends on it."""


def write(model: Module, checkpoint: object, folder: str, rank: int) -> None:
    """Writes ``weights-RANK.json``, before the weights are loaded; never raises."""
    if rank != 0:
        return
    try:
        held = _weights(checkpoint)
        if held is None:
            return
        record: records.WeightsDocument = {
            "rank": rank,
            **compared(model_outline.unwrapped(model).state_dict(), held),
        }
        files.put(os.path.join(folder, records.weights_file(rank)), record)
    except Exception:
        files.note_error("comparing a checkpoint with the model")


def compared(model: Mapping[str, object], held: Mapping[str, object]) -> records.WeightsFit:
    """How the weights of a checkpoint fit a model, by the upper module of each key."""
    own = {_bare(key): value for key, value in model.items() if not key.endswith(_COUNTER)}
    others = {_bare(key): value for key, value in held.items() if not key.endswith(_COUNTER)}
    parts: dict[str, records.WeightsPartDocument] = {}
    for key in [*own, *(key for key in others if key not in own)]:
        path = key.split(".", 1)[0][:LENGTH]
        if path not in parts and len(parts) >= MOST:
            continue
        part = parts.setdefault(
            path, {"path": path, "keys": 0, "missing": 0, "reshaped": 0, "unexpected": 0}
        )
        part["keys"] += key in own
        part["missing"] += key not in others
        part["unexpected"] += key not in own
        part["reshaped"] += key in own and key in others and not _fits(own[key], others[key])
    return {
        "keys": len(own),
        "missing": sum(key not in others for key in own),
        "reshaped": sum(key in others and not _fits(own[key], others[key]) for key in own),
        "unexpected": sum(key not in own for key in others),
        "parts": list(parts.values()),
        "strangers": [key[:LENGTH] for key in others if key not in own][:SHOWN],
    }


def _weights(checkpoint) -> Mapping[str, object] | None:
    """The weights in a checkpoint; one without anything else is its own."""
    if not isinstance(checkpoint, Mapping):
        return None
    held = checkpoint.get("state_dict", checkpoint)
    return held if isinstance(held, Mapping) else None


def _bare(key: object) -> str:
    """A key without the prefix of a model that was wrapped for several GPUs."""
    text = str(key)
    return text[7:] if text.startswith("module.") else text


def _fits(own, other) -> bool:
    return getattr(own, "shape", None) == getattr(other, "shape", None)
