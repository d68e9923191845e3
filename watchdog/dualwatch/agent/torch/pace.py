"""Seconds of the newest iterations that a loader fed, and how much of them was waiting for it."""

from __future__ import annotations

from collections import deque
from statistics import median

NEWEST = 60
"""Iterations that are kept."""

PAUSE = 8.0
"""Times the usual one: an iteration that took longer held a checkpoint or a validation."""


class Pace:
    """The newest iterations of one loader, between two of its batches each.

    Attributes:
        count: Iterations measured since the last ``restart``.
    """

    def __init__(self) -> None:
        self._times: deque[tuple[float, float]] = deque(maxlen=NEWEST)
        self._came: float | None = None
        self._skip = 0
        self.count = 0

    def came(self, asked: float, now: float) -> None:
        """A batch that was asked for is here."""
        last, self._came = self._came, now
        if last is None:
            return
        if self._skip:
            self._skip -= 1
            return
        self._times.append((now - last, now - asked))
        self.count += 1

    def interrupt(self) -> None:
        """Leaves out what is between the last batch and the next one."""
        self._came = None

    def restart(self, skip: int = 0) -> None:
        """Measures anew from the next batch on, after some iterations that are not typical."""
        self._times.clear()
        self._came, self._skip, self.count = None, skip, 0

    @property
    def seconds(self) -> float | None:
        """Of an iteration; None where nothing was measured."""
        times = self._typical()
        return sum(time for time, _ in times) / len(times) if times else None

    @property
    def waiting(self) -> float | None:
        """The share of waiting for data."""
        times = self._typical()
        total = sum(time for time, _ in times)
        return sum(wait for _, wait in times) / total if total > 0 else None

    @property
    def longest_wait(self) -> float:
        """Seconds of the longest wait for a batch."""
        return max((wait for _, wait in self._typical()), default=0.0)

    def _typical(self) -> list[tuple[float, float]]:
        if not self._times:
            return []
        usual = median(time for time, _ in self._times)
        return [one for one in self._times if one[0] <= PAUSE * usual]
