"""Lines none of whose words any reader looks for, recognised by their words. Pure.

A log may print a text that is new in each line. Its words are mostly not new, so of such a line no
more is searched than the words that were not seen before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dualwatch.logs import (
    bars,
    endings,
    loss_scale,
    plain_lines,
    single_errors,
    timestamps,
    tracebacks,
)

MOST_WORDS = 20_000
"""Words that are remembered; with more they are forgotten and begin anew."""

LONGEST = 40
"""Characters of a word that is remembered."""


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """Any of some texts; those that begin alike are tried together, which takes a third."""
    by_start: dict[str, set[str]] = {}
    for text in texts:
        by_start.setdefault(text[0], set()).add(re.escape(text[1:]))
    branches = (f"{re.escape(start)}(?:{'|'.join(sorted(by_start[start]))})" for start in by_start)
    return re.compile("|".join(branches))


_SIGN = _any_of(
    (
        *bars.SIGNS,
        *endings.SIGNS,
        *loss_scale.SIGNS,
        *plain_lines.SIGNS,
        *single_errors.SIGNS,
        *timestamps.SIGNS,
        *tracebacks.SIGNS,
    )
)


class Words:
    """The words of one log."""

    def __init__(self) -> None:
        self._plain: set[str] = set()

    def has_sign(self, form: str) -> bool:
        """Whether a reader of lines may look for a word of a line, whose digits are all 0."""
        words = form.split()
        if self._plain.issuperset(words):
            return False
        new = [word for word in words if word not in self._plain]
        if _SIGN.search(" ".join(new)) is not None:
            return True
        if len(self._plain) > MOST_WORDS:
            self._plain.clear()
        self._plain.update(word for word in new if len(word) <= LONGEST)
        return False
