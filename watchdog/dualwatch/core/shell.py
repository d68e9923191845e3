"""Commands that people copy into their shell: sh, or cmd and PowerShell on Windows."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable

_PLAIN = re.compile(r"[\w\\/:.=+@~-]+")
"""Words that neither cmd nor PowerShell changes; a comma makes a list in PowerShell."""


def join(words: Iterable[str]) -> str:
    """A command that can be copied: words that a shell would change are quoted."""
    return " ".join(map(quote, words))


def quote(word: str) -> str:
    """A word as the system's shell takes it."""
    if sys.platform == "win32":
        return _quoted_on_windows(word)
    return shlex.quote(word)


def _quoted_on_windows(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    # As the C library of Windows reads it: backslashes count before a quotation mark only.
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', word)
    return '"' + re.sub(r"(\\+)$", r"\1\1", escaped) + '"'


def end(pids: Iterable[int]) -> str:
    """The command that ends processes."""
    if sys.platform == "win32":
        return "taskkill /F " + " ".join(f"/PID {pid}" for pid in pids)
    return "kill " + " ".join(map(str, pids))
