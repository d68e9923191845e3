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

    def is_training_line(self, line: str) -> bool:
        """Whether a line reports training iterations. Called for every line of huge logs."""
        ...

    def position(self, line: str) -> Position | None:
        """The counters of a training line, None where it has none. Called as often."""
        ...

    def split_prefix(self, line: str) -> tuple[str, str]:
        """Splits a logger's prefix off: ("ERROR", message), or ("", line) where there is none."""
        ...
