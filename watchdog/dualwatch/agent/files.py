"""Writes the agent's small records, atomically, and its errors.

A leaf of the agent: every other part of it may use this one.
"""

from __future__ import annotations

import os
from typing import Callable, TextIO

from dualwatch import protocol

_BUSY_FOR = 3.0
"""Seconds for which a rename over a file that is open elsewhere is tried again on Windows."""


def note_error(doing: str) -> None:
    """Writes the present exception to ``agent-error.txt``; never raises."""
    import traceback

    note(f"{doing} (pid {os.getpid()}):\n{traceback.format_exc()}")


def note(text: str) -> None:
    """Writes a message for the supervisor to ``agent-error.txt``; never raises."""
    try:
        folder = os.environ[protocol.ENV_ATTEMPT_DIR]
        with private(os.path.join(folder, "agent-error.txt"), os.O_APPEND) as stream:
            stream.write(text + "\n")
    except Exception:
        pass


def private(path: str, mode: int) -> TextIO:
    """Opens a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | mode, 0o600)
    return os.fdopen(descriptor, "w", encoding="utf-8")


def append(path: str, record: object) -> None:
    """Appends a record to a file of JSON lines."""
    import json

    with private(path, os.O_APPEND) as stream:
        stream.write(json.dumps(record) + "\n")


def put(path: str, record: object, default: Callable[[object], object] | None = None) -> None:
    """Writes a small record atomically.

    Args:
        default: Replaces a value that JSON does not know; without it such a value raises.
    """
    import json  # Not at the top: every process of the training imports this module.

    with private(path + ".tmp", os.O_TRUNC) as stream:
        json.dump(record, stream, default=default)
    replace(path + ".tmp", path)


def replace(beside: str, path: str) -> None:
    """Renames a file over another one; on Windows again and again while that is open elsewhere."""
    import time

    until = time.monotonic() + _BUSY_FOR
    while True:
        try:
            os.replace(beside, path)
            return
        except PermissionError:
            if os.name != "nt" or time.monotonic() >= until:
                raise
        time.sleep(0.02)
