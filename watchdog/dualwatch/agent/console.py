"""Lets a ``print`` fail silently when the disk of the attempt's console is full.

Without dualwatch a training prints to a terminal, which is never full. Now its console is a file,
so a full disk must not end the training: only the output is lost.
"""

from __future__ import annotations

import errno
import io
import os
import sys

_CONSOLE = "console.log"
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class _FullDiskTolerant(io.FileIO):
    """A file whose writes succeed on a full disk."""

    def write(self, data):
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            return memoryview(data).nbytes


def tolerate_full_disk(folder: str) -> None:
    """Replaces stdout and stderr where they lead to the attempt's console.

    Args:
        folder: The attempt's folder.
    """
    try:
        console = os.stat(os.path.join(folder, _CONSOLE))
    except OSError:
        return  # No console of a supervised training.
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper and _leads_to(stream, console):
            setattr(sys, name, _tolerant(stream, name))


def _leads_to(stream: io.TextIOWrapper, file: os.stat_result) -> bool:
    return os.path.samestat(os.fstat(stream.fileno()), file)


def _tolerant(stream: io.TextIOWrapper, name: str) -> io.TextIOWrapper:
    """The same stream over a tolerant file; otherwise it behaves like the old one."""
    stream.flush()
    raw = _FullDiskTolerant(stream.fileno(), "w", closefd=False)
    raw.name = f"<{name}>"
    # Buffered where the old one was: PYTHONUNBUFFERED is the user's choice.
    unbuffered = isinstance(stream.buffer, io.RawIOBase)
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
