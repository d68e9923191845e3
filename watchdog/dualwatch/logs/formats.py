"""What the readers of logs need of a framework: the format of its lines."""

from __future__ import annotations

from typing import Protocol

from dualwatch.events import Event
from dualwatch.logs.starts import Position


class LineFormat(Protocol):
    """Reads the lines of one stream; it may remember what it saw."""

    def parse(self, line: str, at: float, wall: float) -> Event | None:
        """The event that a line states; None for all other lines."""
        ...

    def position(self, line: str) -> Position | None:
        """The counters of a line that reports training iterations; None for all other lines.

        Called for every such line of huge logs. Whether a line is one is no question of its digits.
        """
        ...

    def may_hold(self, line: str) -> bool:
        """Whether a line can be one that it knows: much cheaper than reading it.

        Where it cannot, it could not with other digits either.
        """
        ...

    def split_prefix(self, line: str) -> tuple[str, str]:
        """Splits a logger's prefix off: ("ERROR", message), or ("", line) where there is none."""
        ...
