"""The supervisor's instructions for one attempt: ``orders.json``."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from dualwatch import protocol

if TYPE_CHECKING:
    from dualwatch.protocol import rehearsal


class OverrideFile(NamedTuple):
    """What the supervisor wants changed; see ``events.RerunStep``.

    Attributes:
        overrides: Dotted key of the framework's configuration -> value.
        stretch: Iterations of this attempt for one of the user's own configuration.
        rescue: Whether loaders may be replaced and rescue checkpoints be saved.
        parts: Pattern of words in the names of modules that are always reported.
        rehearsal: How much is rehearsed; None for the whole training.
    """

    overrides: dict[str, object]
    stretch: int
    rescue: bool = True
    parts: str = ""
    rehearsal: rehearsal.Order | None = None


def read(folder: str) -> OverrideFile:
    """Reads the instructions; without a file nothing is to be changed."""
    try:
        with open(os.path.join(folder, protocol.OVERRIDES_FILE), encoding="utf-8") as stream:
            data = json.load(stream)
    except FileNotFoundError:
        return OverrideFile({}, 1)
    return OverrideFile(
        dict(data.get("overrides", {})),
        int(data.get("stretch", 1)),
        bool(data.get("rescue", True)),
        str(data.get("parts", "")),
        data.get("rehearsal"),
    )
