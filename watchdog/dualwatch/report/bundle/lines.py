"""Finds the lines of a text that are worth an expression: plain searches cost a tenth of one."""

from __future__ import annotations

from collections.abc import Iterable


def holding(stems: Iterable[str], text: str) -> list[tuple[int, int]]:
    """Start and end of each line that holds one of some words, in order.

    Args:
        stems: In small letters; those of the text do not matter.
    """
    lowered = text.lower()
    if len(lowered) != len(text):
        return [(0, len(text))]  # A letter such as the Turkish dotted I shifts what follows.
    found: dict[int, int] = {}
    for stem in stems:
        at = lowered.find(stem)
        while at >= 0:
            end = lowered.find("\n", at)
            end = len(text) if end < 0 else end
            found[lowered.rfind("\n", 0, at) + 1] = end
            at = lowered.find(stem, end)
    return sorted(found.items())
