"""Since when a metric is not sound, and until when: stretches of training lines. Pure.

Bounded: of many stretches the first, the longest and the newest are kept, and how many there were.
"""

from __future__ import annotations

from typing import NamedTuple

from dualwatch.state.positions import SavedCheckpoint, SeriesLine


class Stretch(NamedTuple):
    """Consecutive training lines.

    Attributes:
        lines: How many there are from ``since`` to ``until``.
        least: The smallest value in them, by its amount; NaN or an infinity where they held that.
        saved: The newest checkpoint from before it, None where none was saved.
    """

    since: SeriesLine
    until: SeriesLine
    lines: int
    least: float
    saved: SavedCheckpoint | None


class Stretches(NamedTuple):
    """All stretches of one metric.

    Attributes:
        times: How many there were.
        lines: Of all of them together.
    """

    times: int
    lines: int
    first: Stretch
    longest: Stretch
    newest: Stretch

    def is_open(self, number: int) -> bool:
        """Whether the newest one contains the training line of that number."""
        return self.newest.until.number == number


def with_line(
    before: Stretches | None,
    line: SeriesLine,
    value: float,
    saved: SavedCheckpoint | None,
    held: int,
) -> Stretches:
    """The stretches with one more line that is not sound.

    Args:
        held: Number of the line before it that held the metric.
    """
    if before is None:
        fresh = Stretch(line, line, 1, value, saved)
        return Stretches(1, 1, fresh, fresh, fresh)
    newest, count = before.newest, before.times
    if newest.until.number == held:
        least = min(newest.least, value)
        newest = newest._replace(until=line, lines=newest.lines + 1, least=least)
    else:
        newest, count = Stretch(line, line, 1, value, saved), count + 1
    longest = newest if newest.lines > before.longest.lines else before.longest
    first = newest if count == 1 else before.first
    return Stretches(count, before.lines + 1, first, longest, newest)


def with_unparsed(before: Stretches, lines: int, number: int) -> Stretches:
    """The newest stretch continued over lines that were not parsed, up to the ``number``-th."""
    until = before.newest.until._replace(number=number)
    newest = before.newest._replace(until=until, lines=before.newest.lines + lines)
    longest = newest if newest.lines > before.longest.lines else before.longest
    first = newest if before.times == 1 else before.first
    return before._replace(lines=before.lines + lines, first=first, longest=longest, newest=newest)
