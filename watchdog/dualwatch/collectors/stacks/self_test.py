"""What of the system may keep a training, or its diagnosis, from working: tried, not guessed.

A small Python like the training's is started, says how it would print, and has its stack read.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

from dualwatch.collectors.stacks import capture, permissions
from dualwatch.core import own_session
from dualwatch.core.deadline import TimedCall
from dualwatch.core.text import clean
from dualwatch.events import SurroundingsSeen

START_S = 5.0
"""Seconds for the small Python to speak; a cold disk needs one, a usual one a fiftieth of it."""

READ_S = 2.0
LENGTH = 500

# It lets itself be read as the agent in every supervised training does, tells its encoding, and
# waits until nobody wants it any more.
_CHILD = """
import os, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(int(sys.argv[1])), 0, 0, 0)
except Exception:
    pass
word = "%d %s\\n" % (os.getpid(), sys.stdout.encoding)
sys.stdout.buffer.write(word.encode("ascii", "replace"))
sys.stdout.buffer.flush()
sys.stdin.read()
"""


def look(python: str, *, at: float, wall: float) -> SurroundingsSeen:
    """Tries it once.

    Args:
        python: Interpreter of the training.
    """
    readable: bool | None = None
    encoding = ""
    try:
        with _started(python) as child:
            pid, encoding = _told(child)
            if pid is None:
                why = f"{python} did not report its encoding"
            else:
                readable, why = _read(pid, at, wall)
    except OSError as error:
        why = f"{python} cannot be started: {error.strerror or error}"
    return SurroundingsSeen(
        at=at,
        wall=wall,
        stacks_readable=readable,
        stacks_why=clean(why, LENGTH),
        console_encoding=clean(encoding, 50),
        hard_open_files=_hard_limit(),
    )


@contextlib.contextmanager
def _started(python: str) -> Iterator[subprocess.Popen[bytes]]:
    """The small Python; ended and reaped whatever happens."""
    # Without `site`: what a sitecustomize does is no matter of this.
    process = subprocess.Popen(
        [python, "-S", "-c", _CHILD, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(os.environ),
        **own_session.options(),  # Ctrl-C is for us, who end it.
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()  # Also ends whom a launcher started in its place.
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=capture.REAP_S)


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """A training inherits ours; within a supervised one we are no second agent."""
    return {name: value for name, value in ours.items() if not name.startswith("DUALWATCH_")}


def _told(child: subprocess.Popen[bytes]) -> tuple[int | None, str]:
    """Its own pid, as a launcher may be in between, and its encoding; None without a reply."""

    def listen() -> bytes:
        stream = child.stdout
        assert stream is not None
        with stream:  # The reader closes it: no other thread can while it is being read.
            return stream.readline(200)

    try:
        line = TimedCall("self-test")(listen, START_S)
    except OSError:  # A TimeoutError too.
        line = b""
    pid, _, encoding = line.decode("ascii", "replace").strip().partition(" ")
    return (int(pid), encoding) if pid.isdecimal() and encoding else (None, "")


def _read(pid: int, at: float, wall: float) -> tuple[bool, str]:
    """Whether its stack can be read, and what forbids it or limits it."""
    captured, unseen = capture.capture([pid], None, timeout=READ_S, at=at, wall=wall)
    if captured is None:
        return False, unseen[0].why if unseen else "py-spy gave no stacks"
    guard = permissions.permissions_of(pid)
    if guard.yama and not guard.root:
        others = f"only of trainings that dualwatch starts: Yama, ptrace_scope {guard.yama}"
        return True, f"{others}; of others: {permissions.how_to_allow(guard)}"
    return True, ""


def _hard_limit() -> int | None:
    """Open files that the soft limit may be raised to; None for no limit, and where unknown."""
    if sys.platform == "win32":
        return None
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else hard
