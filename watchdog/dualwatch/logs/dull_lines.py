"""Lines that no reader of a log needs, recognised at once. Pure.

What a training prints over and over differs in its numbers only. So the answer for one such line,
with its digits made alike, is that for all of them.
"""

from __future__ import annotations

from collections.abc import Callable

from dualwatch.logs import timestamps

MOST_KNOWN = 4096
"""Forms of lines that are remembered; with more they are forgotten and begin anew."""

LONGEST = 400
"""Characters of a line whose form is remembered."""

_DIGITS = bytes.maketrans(b"123456789", b"000000000")


class DullLines:
    """Remembers the forms of one log.

    Args:
        may_matter: Whether a line can change anything, whatever its digits are.
    """

    def __init__(self, may_matter: Callable[[str], bool]) -> None:
        self._may_matter = may_matter
        self._known: dict[bytes, bool] = {}

    def holds(self, line: str) -> bool:
        """Whether a line carries no time and cannot matter; called for every line."""
        if len(line) > LONGEST:
            return False
        form = line.encode("utf-8", "surrogatepass").translate(_DIGITS)
        known = self._known.get(form)
        if known is None:
            known = self._known[form] = self._is_dull(form.decode("utf-8", "surrogatepass"))
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
        return known

    def _is_dull(self, form: str) -> bool:
        return not (timestamps.may_hold(form) or self._may_matter(form))
