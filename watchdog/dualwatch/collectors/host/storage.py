"""Whether the storage behind some paths responds, with a time limit.

A dead network drive lets every call on it wait for ever. Each path is looked at in a thread of its
own, which is left behind where it does not come back.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

LIMIT_S = 10.0
"""Seconds in which a storage must respond; an automounter needs some."""

MOST = 64


class StorageResponse(NamedTuple):
    """Attributes:
    seconds: Until it responded, be it that the path does not exist; None where it did not.
    """

    path: str
    seconds: float | None


def look(paths: Iterable[str | Path], limit: float = LIMIT_S) -> list[StorageResponse]:
    """How soon the storage of each path responds, in ``limit`` seconds for all of them."""
    wanted = list(dict.fromkeys(str(path) for path in paths))[:MOST]
    seconds: dict[str, float] = {}

    def ask(path: str) -> None:
        begun = time.monotonic()
        _touch(path)
        seconds[path] = time.monotonic() - begun

    threads = [
        threading.Thread(target=ask, args=(path,), name="dualwatch-storage", daemon=True)
        for path in wanted
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + limit
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    answers = dict(seconds)  # A thread that comes back now is late.
    return [StorageResponse(path, answers.get(path)) for path in wanted]


def stuck(responses: Sequence[StorageResponse]) -> list[str]:
    """Paths whose storage did not respond."""
    return [one.path for one in responses if one.seconds is None]


def _touch(path: str) -> None:
    """Reads the first entry of a folder, or the first byte of a file."""
    try:
        if os.path.isdir(path):
            with os.scandir(path) as entries:
                next(entries, None)
        else:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.read(descriptor, 1)
            finally:
                os.close(descriptor)
    except (OSError, ValueError):
        pass  # It responded.
