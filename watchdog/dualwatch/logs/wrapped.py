"""Lines that a terminal broke at its width, as a capture of tmux or a copied screen has them. Pure.

A line of a logger begins with a time, what a terminal broke off does not. So a text is wrapped
where its longest lines have the same length, are several, and each is followed by one without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

LEAST, MOST = 60, 500
"""Columns of a terminal."""

SEEN = 3
"""Lines of that length from which it is its width."""

MOST_PARTS = 40


def width(lines: Sequence[str], is_begin: Callable[[str], bool]) -> int:
    """The width at which the lines of a log were broken; 0 where they were not.

    Args:
        is_begin: Whether a line carries a time.
    """
    longest = max(map(len, lines), default=0)
    if not LEAST <= longest <= MOST:
        return 0
    full = [number for number, line in enumerate(lines[:-1]) if len(line) == longest]
    begun = [number for number in full if is_begin(lines[number])]
    if len(begun) < SEEN or any(is_begin(lines[number + 1]) for number in full):
        return 0
    inside = any(lines[n][-1] != " " and lines[n + 1][:1].strip() for n in begun)
    return longest if inside else 0


class Joiner:
    """Joins what a terminal of a known width broke."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._parts: list[str] = []

    def feed(self, lines: Sequence[str]) -> list[str]:
        """The whole lines among these and the part that was left before them."""
        whole: list[str] = []
        for line in lines:
            self._parts.append(line)
            if len(line) != self._columns or len(self._parts) >= MOST_PARTS:
                whole += self.close()
        return whole

    def close(self) -> list[str]:
        """What is left at the end."""
        parts, self._parts = self._parts, []
        return ["".join(parts)] if parts else []
