"""Lets a ``print`` fail in silence where dualwatch's own disk is full.

Without dualwatch a training prints to a terminal, which is never full. Its console is a file of
ours now, so a full disk must not end it: what it prints is lost, and nothing else.
"""

from __future__ import annotations

import errno
import io
import os
import sys

_CONSOLE = "console.log"
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class _Forgiving(io.FileIO):
    """A file whose writes succeed on a full disk."""

    def write(self, data):
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            return memoryview(data).nbytes


def tolerate_full_disk(folder: str) -> None:
    """Takes the place of stdout and stderr where they lead to the attempt's console.

    Args:
        folder: The attempt's folder.
    """
    try:
        ours = os.stat(os.path.join(folder, _CONSOLE))
    except OSError:
        return  # Nobody's console that we know of.
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper and _leads_to(stream, ours):
            setattr(sys, name, _forgiving(stream, name))


def _leads_to(stream: io.TextIOWrapper, file: os.stat_result) -> bool:
    return os.path.samestat(os.fstat(stream.fileno()), file)


def _forgiving(stream: io.TextIOWrapper, name: str) -> io.TextIOWrapper:
    """The same stream over a file that forgives; it looks and behaves like the old one."""
    stream.flush()
    raw = _Forgiving(stream.fileno(), "w", closefd=False)
    raw.name = f"<{name}>"
    # Buffered where the old one was: PYTHONUNBUFFERED is the user's to choose.
    unbuffered = isinstance(stream.buffer, io.RawIOBase)
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
