"""What a process that downloads has received: its half file, and when data last came."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence

from dualwatch.collectors.processes import connections
from dualwatch.core import proc
from dualwatch.core.text import clean
from dualwatch.events import Frame, ThreadStack, Transfer, TransfersSeen

LENGTH = 500

_FILES = ("urllib/request.py", "http/client.py", "urllib3/", "/ssl.py", "/socket.py", "httpcore/")
_HALF = (".partial", ".incomplete", ".part", ".download", ".tmp")


def look(stacks: Sequence[ThreadStack], *, at: float, wall: float) -> TransfersSeen | None:
    """What processes received whose main thread reads from the network; None where none does."""
    seen: dict[int, tuple[Frame, ...]] = {}
    for stack in stacks:
        seen.setdefault(stack.pid, stack.frames)  # The main thread comes first.
    found = [
        _read(pid, frames)
        for pid, frames in seen.items()
        if any(part in frame.slashed for frame in frames[:4] for part in _FILES)
    ]
    return TransfersSeen(at=at, wall=wall, transfers=tuple(found)) if found else None


def _read(pid: int, frames: Sequence[Frame]) -> Transfer:
    connection = connections.of_process(pid)
    file, status = _half_file(pid, [frame.subject for frame in frames if frame.subject])
    return Transfer(
        pid=pid,
        peer=connection.peer if connection is not None else "",
        quiet=connection.quiet if connection is not None else None,
        file=clean(file, LENGTH),
        size=status.st_size if status is not None else None,
        grew=status.st_mtime if status is not None else None,
    )


def _half_file(pid: int, addresses: Sequence[str]) -> tuple[str, os.stat_result | None]:
    """The file that a process downloads to, by the names of those that it has open."""
    names = {address.rsplit("/", 1)[-1] for address in addresses} - {""}
    with contextlib.suppress(OSError):
        for link, path in proc.open_files(pid):
            with contextlib.suppress(OSError):
                if path.endswith(_HALF) or path.rsplit("/", 1)[-1] in names:
                    status = os.stat(link)
                    if stat.S_ISREG(status.st_mode):
                        return path, status
    return "", None
