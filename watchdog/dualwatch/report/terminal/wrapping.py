"""Wraps text to terminal columns; a Chinese character takes two."""

from __future__ import annotations

import textwrap

_NARROWEST = 20
_DEEPEST_MARGIN = 16


def cells(text: str) -> int:
    """Columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def clipped(text: str, width: int, mark: str = "...") -> str:
    """A text cut to a width, with a mark where it was cut."""
    if cells(text) <= width:
        return text
    from rich.cells import set_cell_size

    return set_cell_size(text, max(0, width - len(mark))).rstrip() + mark


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
