"""The batch of an iteration whose loss was not finite: its files, and its parts that hold NaN.

Looked at once in a stretch of such iterations. Parts on a device are not read: that would wait.
"""

from __future__ import annotations

import os
from typing import Iterator, Tuple

DEPTH = 5
ITEMS = 64
MOST_LEAVES = 2000
MOST = 8
LENGTH = 200
PATH_PARTS = 3


def files_of(batch: object) -> list[str]:
    """The ends of the paths in a batch, in its order; bounded."""
    found: dict[str, None] = {}
    for name, value in _leaves(batch):
        if _is_path(name, value):
            parts = str(value).split("?", 1)[0].replace("\\", "/").split("/")
            found["/".join(parts[-PATH_PARTS:])[:LENGTH]] = None
        if len(found) >= MOST:
            break
    return list(found)


def unsound_parts(batch: object) -> list[str]:
    """Names of parts on the CPU that hold a value that is not finite; bounded."""
    found = []
    for name, value in _leaves(batch):
        if getattr(value, "is_floating_point", None) is None or value.device.type != "cpu":  # type: ignore[attr-defined]
            continue
        if value.is_floating_point() and bool(((value - value) != 0).any()):  # type: ignore[attr-defined, operator]
            found.append((name or "batch")[:LENGTH])
        if len(found) >= MOST:
            break
    return found


def _is_path(name: str, value: object) -> bool:
    key = name.rsplit(".", 1)[-1].split("[", 1)[0].lower()
    return isinstance(value, (str, os.PathLike)) and ("path" in key or "file" in key)


def _leaves(batch: object) -> Iterator[Tuple[str, object]]:
    """Name and value of each part of a batch, its samples included; bounded."""
    waiting = [("", batch, 0)]
    seen = 0
    while waiting and seen < MOST_LEAVES:
        name, value, depth = waiting.pop()
        seen += 1
        inner = _parts(name, value) if depth < DEPTH else None
        if inner is None:
            yield name, value
        else:
            waiting += [(key, part, depth + 1) for key, part in reversed(inner)]


def _parts(name: str, value: object) -> list[tuple[str, object]] | None:
    """The named parts of a value; None where it is a part itself."""
    if isinstance(value, dict):
        pairs = [(str(key), part) for key, part in list(value.items())[:ITEMS]]
    elif isinstance(value, (list, tuple)):
        return [(f"{name}[{at}]", part) for at, part in enumerate(value[:ITEMS])]
    elif hasattr(type(value), "all_keys"):  # A data element that lists its fields.
        pairs = [(str(key), part) for key, part in value.metainfo_items()]  # type: ignore[attr-defined]
        pairs += [(str(key), part) for key, part in value.items()]  # type: ignore[attr-defined]
        pairs.sort(key=lambda pair: pair[0])  # From a set: in another order in each run.
    else:
        return None
    return [(f"{name}.{key}" if name else key, part) for key, part in pairs]
