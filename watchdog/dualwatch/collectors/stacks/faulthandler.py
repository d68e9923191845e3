"""Stacks as Python's own ``faulthandler`` writes them, to events. Pure.

The form has hardly changed from Python 3.8 to 3.14::

    Thread 0x00007fde54dc6c0 [loader] (most recent call first):
      File "/site-packages/torch/utils/data/_utils/worker.py", line 300 in _worker_loop

    Current thread 0x00007fde5dadb80 (most recent call first):
      Garbage-collecting
      File "train.py", line 6 in main
      ...

A blank line stands between two threads and none after the last, so where a thread follows a frame
at once another dump begins. Threads come newest first: the last one is the main thread, unless
there are more than are shown. Names of threads are there since 3.14 only.
"""

from __future__ import annotations

import re
import sys

from dualwatch.core.text import clean
from dualwatch.events import Frame, ThreadStack

MAX_THREADS = 200
MAX_FRAMES = 500
MAIN = "MainThread"

_THREAD = re.compile(
    r"(?:Current thread|Thread) (?P<id>0x[0-9a-fA-F]+)(?: \[(?P<name>.*)\])?"
    r" \(most recent call first\):"
)
_ALONE = "Stack (most recent call first):"
# A file name may hold quotes and commas; the last match is the true one.
_FRAME = re.compile(r'  File (?:"(?P<file>.*)"|\?\?\?), line (?P<line>\d+|\?\?\?) in (?P<name>.*)')
_MORE_THREADS = "..."
# Written for characters beyond ASCII alone, so a backslash of a file name stays one.
_ESCAPED = re.compile(r"\\(?:x([89a-f][0-9a-f])|u([0-9a-f]{4})|U([0-9a-f]{8}))")


def parse(text: str, pid: int) -> tuple[ThreadStack, ...]:
    """The stacks of the newest dump of a text, the main thread first.

    Args:
        text: What ``faulthandler`` wrote; other lines in it are passed over.
        pid: Whose stacks they are: a dump does not say it.

    Returns:
        Threads with their frames, innermost first; empty where the text holds no dump. The main
        thread is called "MainThread" as py-spy calls it; it is not named where the dump was cut.
    """
    names: list[str] = []
    frames: list[list[Frame]] = []
    cut = False
    before = ""
    for line in text.split("\n"):
        thread = _thread(line)
        if thread is not None:
            if before.strip():  # No blank line in between: another dump.
                names, frames, cut = [], [], False
            names.append(thread)
            frames.append([])
        elif line == _MORE_THREADS:
            cut = True
        elif frames and len(frames[-1]) < MAX_FRAMES:
            frames[-1] += _frame(line)
        before = line
    if names and not cut:
        names[-1] = MAIN
    found = [
        ThreadStack(pid=pid, thread=name, active=None, frames=tuple(inner))
        for name, inner in zip(names, frames, strict=True)
    ]
    return tuple(sorted(found, key=lambda stack: stack.thread != MAIN)[:MAX_THREADS])


def _thread(line: str) -> str | None:
    """The thread that a line announces: its name where there is one, else its number."""
    match = _THREAD.fullmatch(line)
    if match is not None:
        return clean(match["name"] or f"Thread {match['id']}", 200)
    return MAIN if line == _ALONE else None


def _frame(line: str) -> list[Frame]:
    """The frame of a line, if it holds one; a line number that is not known is 0."""
    match = _FRAME.fullmatch(line)
    if match is None:
        return []
    number = int(match["line"][:9]) if match["line"].isdecimal() else 0
    file = clean(_unescaped(match["file"] or "???"), 500)
    return [Frame(function=clean(_unescaped(match["name"]), 200), file=file, line=number)]


def _unescaped(text: str) -> str:
    """Decodes escaped characters beyond ASCII; invalid escapes stay as they are."""

    def character(match: re.Match[str]) -> str:
        code = int(match[1] or match[2] or match[3], 16)
        return chr(code) if code <= sys.maxunicode else match[0]

    return _ESCAPED.sub(character, text)
