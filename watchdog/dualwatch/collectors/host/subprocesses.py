"""Runs a small program of the system and reads what it says, within limits of time and size.

The programs that tell of a broken machine are the ones that hang on it: one that waits inside a
dead driver cannot even be killed. So nothing here waits without a bound, and what cannot be ended
is left behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from dualwatch.core import own_session

REAP_S = 1.0
"""Grace for a killed program, and for what its output still holds when it has ended."""

_BLOCK = 65536


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program left.

    Attributes:
        status: Its exit status, None where it was still running at its limit.
        output, complaint: Its stdout and stderr, bounded; also what one that hangs had said.
    """

    status: int | None
    output: bytes
    complaint: bytes


class _Listener:
    """Reads a stream to its end in a thread, and keeps a part: a full pipe would hold its writer.

    Args:
        most: Bytes to keep.
        newest: Keep the last ones, not the first.
    """

    def __init__(self, stream: IO[bytes], most: int, newest: bool) -> None:
        self._stream = stream
        self._most = most
        self._newest = newest
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with self._stream, contextlib.suppress(OSError):
            while block := os.read(self._stream.fileno(), _BLOCK):
                if self._newest:
                    self._kept += block
                    if len(self._kept) > 2 * self._most:
                        del self._kept[: -self._most]
                else:
                    self._kept += block[: self._most - len(self._kept)]

    def heard(self, deadline: float) -> bytes:
        """What was kept by the end of the stream or by the deadline."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        kept = bytes(self._kept)
        return kept[-self._most :] if self._newest else kept


def run(command: Sequence[str], limit: float, *, most: int, newest: bool = False) -> Completed:
    """Runs a program to its end or its limit.

    Args:
        limit: Seconds until it is killed.
        most: Bytes to keep of each of its streams.
        newest: Keep the last bytes, not the first.

    Raises:
        OSError: It cannot be started.
    """
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **own_session.options(),  # a Ctrl-C is for us, and its children can be ended with it
    )
    assert process.stdout is not None
    assert process.stderr is not None
    listeners = [_Listener(pipe, most, newest) for pipe in (process.stdout, process.stderr)]
    status: int | None = None
    try:
        status = process.wait(limit)
    except subprocess.TimeoutExpired:
        _end(process)
    # A grandchild may hold the pipes for ever: their end is waited for only briefly.
    deadline = time.monotonic() + REAP_S
    output, complaint = (listener.heard(deadline) for listener in listeners)
    return Completed(status, output, complaint)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills a program and what it started."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)  # not reaped yet, so the number is its own
        else:
            _kill_tree(process.pid)
            process.kill()
    except OSError:
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=REAP_S)


def _kill_tree(pid: int) -> None:
    """Kills the descendants of a program where they have no group of their own."""
    import psutil  # not at the top: it would slow every start of the program

    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
