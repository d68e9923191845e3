"""Text from outside within Markdown: whatever is in it, it stays text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~&$^-])")
_LIVELY = re.compile(r"[^\w ,;%=']|_")
_BACKTICKS = re.compile("`+")


def prose(said: str) -> str:
    """Text within a sentence; no character of it means anything to Markdown."""
    escaped = _SPECIAL.sub(r"\\\1", said)
    # A dash or a plus within a line is just one; a number at its front would begin a list.
    escaped = re.sub(r"(?<=.)\\([-+()#!])", r"\1", escaped)
    return re.sub(r"^(\s*\d+)([.)])", r"\1\\\2", escaped)


def code(said: str) -> str:
    """Text as a span of code, whatever backticks are in it."""
    longest = max((len(run) for run in _BACKTICKS.findall(said)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if not said or said[0] in "` " or said[-1] in "` " else ""
    return f"{fence}{pad}{said or ' '}{pad}{fence}"


def inert(said: str) -> str:
    """Text that no dialect of Markdown, and no HTML in it, can take for anything but text.

    TensorBoard's dialect lets images of HTML pass, and a backslash does not keep it from that.
    """
    return _LIVELY.sub(lambda found: f"&#{ord(found[0])};", " ".join(said.split()))


def fenced(lines: Iterable[str], language: str = "text") -> Iterator[str]:
    """Lines as a block of code that none of them can end."""
    block = list(lines)
    longest = max((len(run) for row in block for run in _BACKTICKS.findall(row)), default=0)
    fence = "`" * max(3, longest + 1)
    yield fence + language
    yield from block
    yield fence
