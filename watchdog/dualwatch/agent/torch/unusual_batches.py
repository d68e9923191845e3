"""Iterations of one of several ranks whose batch had empty parts, or that returned fewer losses.

Ranks that take different branches then wait in different collectives, and what led to it is gone
from memory by then. Names and numbers alone are recorded.
"""

from __future__ import annotations

import os
from typing import Iterator, Tuple

from dualwatch import protocol

KEPT = 8
MOST = 200
"""Of one run: where empty parts are usual, they must not be written at every iteration."""

DEPTH = 4
ITEMS = 64
NAMED = 3
LENGTH = 120


class UnusualBatches:
    """The newest unusual iterations of this rank; none in a training of one rank.

    Attributes:
        newest: Oldest first, bounded.
    """

    def __init__(self) -> None:
        self.newest: list[protocol.UnusualBatchDocument] = []
        several = os.environ.get("WORLD_SIZE", "1").isdigit()
        self._left = MOST if several and int(os.environ.get("WORLD_SIZE", "1")) > 1 else 0
        self._losses: dict[str, None] = {}

    def note(self, iteration: int, batch: object, outputs: object) -> bool:
        """Whether this iteration was unusual, and is one that is kept."""
        if self._left <= 0:
            return False
        empty = [name[:LENGTH] for name, _ in zip(_empty("", batch, 0), range(NAMED))]
        names = [str(name) for name in outputs] if isinstance(outputs, dict) else []
        missing = [name[:LENGTH] for name in self._losses if name not in names]
        self._losses.update(dict.fromkeys(names))
        if not empty and not missing:
            return False
        self._left -= 1
        one: protocol.UnusualBatchDocument = {
            "iteration": iteration,
            "empty": empty,
            "missing": missing[:NAMED],
        }
        self.newest = [*self.newest, one][-KEPT:]
        return True


def _empty(name: str, value: object, depth: int) -> Iterator[str]:
    """Names of the parts without any element: tensors of which one side is 0."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        if 0 in shape:
            yield name or "batch"
    elif depth < DEPTH:
        for key, part in _parts(value):
            inner = key if key.startswith("[") or not name else f".{key}"
            yield from _empty(f"{name}{inner}", part, depth + 1)


def _parts(value: object) -> Iterator[Tuple[str, object]]:
    if isinstance(value, dict):
        yield from ((str(key), value[key]) for key in list(value)[:ITEMS])
    elif isinstance(value, (list, tuple)):
        yield from ((f"[{index}]", part) for index, part in enumerate(value[:ITEMS]))
    elif hasattr(type(value), "all_keys"):  # A data element that lists its fields.
        yield from ((str(key), part) for key, part in list(value.items())[:ITEMS])  # type: ignore[attr-defined]
