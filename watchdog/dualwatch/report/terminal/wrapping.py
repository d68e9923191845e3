"""Wraps text to terminal columns; a Chinese character takes two."""

from __future__ import annotations

import textwrap
import unicodedata

_NARROWEST = 20
_DEEPEST_MARGIN = 16


def cells(text: str) -> int:
    """Columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def clipped(text: str, width: int, mark: str = "...") -> str:
    """A text cut to a width, with a mark where it was cut."""
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
    """A text in at most ``most`` lines, indented below the lead."""
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
    """A line in rows, indented from the second on; paths stay whole."""
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
