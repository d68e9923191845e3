"""Text in so many columns of a terminal, where a Chinese character takes two."""

from __future__ import annotations

import textwrap
import unicodedata

_NARROWEST = 20
_DEEPEST_MARGIN = 16


def cells(text: str) -> int:
    """Columns that a terminal needs."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def clipped(text: str, width: int, mark: str = "...") -> str:
    """The beginning of a text that is too long; the cut shows."""
    if cells(text) <= width:
        return text
    kept = []
    room = width - len(mark)
    for character in text:
        room -= cells(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept).rstrip() + mark


def wrapped(text: str, width: int, lead: str, most: int) -> list[str]:
    """A text in at most so many lines: the lead before the first, the others below its text."""
    margin = " " * (len(lead) if len(lead) <= _DEEPEST_MARGIN else 4)
    # Characters of two columns: fewer of them fit.
    room = width * max(1, len(text)) // max(1, cells(text))
    rows = textwrap.wrap(
        text,
        max(_NARROWEST, min(room, width)),
        initial_indent=lead,
        subsequent_indent=margin,
        break_on_hyphens=False,
        max_lines=most,
        placeholder=" ...",
    )
    return [clipped(row, width) for row in rows] or [lead.rstrip()]


def folded(line: str, width: int) -> list[str]:
    """A whole line in rows, deeper from the second on; a path stays whole."""
    depth = len(line) - len(line.lstrip()) + 2
    if cells(line) <= width:
        return [line]
    return textwrap.wrap(
        line,
        max(_NARROWEST, width),
        subsequent_indent=" " * depth,
        break_long_words=False,
        break_on_hyphens=False,
    )
