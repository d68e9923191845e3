"""What the agent writes: small records, whole, and what failed in it.

A leaf of the agent: every other part of it may use this one.
"""

from __future__ import annotations

import os
from typing import Any, Callable, TextIO

from dualwatch import protocol


def note_error(doing: str) -> None:
    """Writes down what failed in the agent; never raises."""
    import traceback

    note(f"{doing} (pid {os.getpid()}):\n{traceback.format_exc()}")


def note(text: str) -> None:
    """Writes down what the supervisor should know; never raises."""
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


def put(path: str, record: Any, default: Callable[[Any], Any] | None = None) -> None:
    """Puts a small record in its place as a whole: whoever reads it never meets half of one.

    Args:
        default: What stands for a value that JSON does not know; without it such a value raises.
    """
    import json  # Not at the top: every process of the training passes by there.

    with private(path + ".tmp", os.O_TRUNC) as stream:
        json.dump(record, stream, default=default)
    os.replace(path + ".tmp", path)
