"""What a process waits for, by its innermost frames and the source line of the innermost one. Pure.

Windows has no wait channel, and some containers hide it. Frames of the libraries that wait are
known by their files. A wait inside C (``lock.acquire()``, ``time.sleep``) leaves no frame; then
what the source line calls or enters shows it, where the file could be read.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence

from dualwatch.events import Frame, SourceLine


class Wait(enum.Enum):
    """What a process waits for; the value is the word for it."""

    LOCK = "a lock"
    QUEUE = "a queue"
    PIPE = "another process (a pipe)"
    SOCKET = "the network (a socket)"
    FILE = "a file"
    SLEEP = "the end of a sleep"
    CHILD = "a child process"


_LOCKS = frozenset(("acquire", "__enter__", "wait", "wait_for", "join", "result"))
_LOCK_FILES = (
    *("multiprocessing/synchronize.py", "threading.py", "concurrent/futures/"),
    *("filelock/", "fasteners/", "portalocker/"),
)
_STANDARD = r"(?:^|/lib/(?:python[\d.]+t?/)?|/python\d+\.zip/)"
"""Where the library is; of the embeddable Python of Windows no folder is shown."""


def _file(names: str) -> re.Pattern[str]:
    return re.compile(rf"{_STANDARD}(?:{names})$", re.IGNORECASE)


_LIBRARY: tuple[tuple[re.Pattern[str], frozenset[str], Wait], ...] = (
    # file, functions of it (all where empty), what they wait for
    (_file(r"queue\.py"), frozenset(("get", "put", "join")), Wait.QUEUE),
    (_file(r"multiprocessing/queues\.py"), frozenset(("get", "put", "join")), Wait.QUEUE),
    (_file(r"multiprocessing/managers\.py"), _LOCKS, Wait.LOCK),
    (_file(r"multiprocessing/(?:connection|managers)\.py"), frozenset(), Wait.PIPE),
    (_file(r"(?:socket|ssl|http/client)\.py"), frozenset(), Wait.SOCKET),
    (_file(r"subprocess\.py"), frozenset(), Wait.CHILD),
)
_CALLS = {
    **dict.fromkeys(("acquire", "locking", "flock", "lockf"), Wait.LOCK),
    **dict.fromkeys(("get", "put"), Wait.QUEUE),
    **dict.fromkeys(("recv", "recv_into", "recvfrom", "accept", "connect", "select"), Wait.SOCKET),
    **dict.fromkeys(
        ("open", "read", "readline", "readlines", "readinto", "write", "flush", "fsync", "imread"),
        Wait.FILE,
    ),
    "sleep": Wait.SLEEP,
}
"""The last part of the name of a function in C, and what it waits for."""


def of(frames: Sequence[Frame]) -> Wait | None:
    """What the process waits for; None where its frames and its source do not show that."""
    found: Wait | None = None
    for frame in frames:
        wait = _of_library(frame)
        if wait is None:
            break
        found = wait  # The outermost: a queue takes a lock to wait for its next object.
    if found is not None or not frames:
        return found
    return _of_source(frames[0].source)


def calls_a_lock(frames: Sequence[Frame]) -> bool:
    """Whether the innermost frame is the taking of a lock that is written in Python."""
    if not frames or frames[0].bare not in _LOCKS:
        return False
    return any(part in frames[0].slashed for part in _LOCK_FILES)


def source(frames: Sequence[Frame]) -> str:
    """What the source line of the innermost frame shows, in words; "" where it was not read."""
    line = frames[0].source if frames else None
    if line is None:
        return ""
    parts = [f"calls {', '.join(line.calls)}"] if line.calls else []
    parts += [f"enters `with {', '.join(line.enters)}`"] if line.enters else []
    return f"its source line {' and '.join(parts)}" if parts else ""


def _of_library(frame: Frame) -> Wait | None:
    for file, functions, wait in _LIBRARY:
        if file.search(frame.slashed) and (not functions or frame.bare in functions):
            return wait
    return Wait.LOCK if calls_a_lock((frame,)) else None


def _of_source(line: SourceLine | None) -> Wait | None:
    """By what a line calls. One that names two kinds of waits shows neither."""
    if line is None:
        return None
    kinds = {_CALLS.get(name.rsplit(".", 1)[-1]) for name in line.calls} - {None}
    # What is entered without a call and makes its thread wait in C, without a frame, is a lock.
    if line.enters:
        kinds.add(Wait.LOCK)
    if len(kinds) > 1:
        kinds.discard(Wait.QUEUE)  # Most of what has a method "get" is a dictionary.
    return kinds.pop() if len(kinds) == 1 else None
