"""Whether memory grows steadily from iteration to iteration, and how fast. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from dualwatch.core.units import MIB
from dualwatch.state.memory_trace import MemoryPoint, MemoryTrace

POINTS = 12
ITERATIONS = 300
SECONDS = 600.0
"""Iterations or seconds, either is enough, in which memory must have grown."""

OPENING = 0.1
"""Share of the points at the beginning that are not looked at: first batches, start of workers."""

LEAST = 64 * MIB
LEAST_OF_GPU = 256 * MIB
"""Bytes by which it must have grown; devices are filled in large blocks."""

PEAK = 2
"""Points that a peak may be long."""

EVENLY = 0.6
"""Share of the usual growth of a quarter that each quarter must have: what levels off has less."""

BEYOND_NOISE = 8.0
"""Times the usual distance from the straight line by which it must have grown."""


@dataclass(frozen=True, slots=True)
class MemoryGrowth:
    """Growth that is steady.

    Attributes:
        first, last: The points between which it was seen.
        rise: Bytes from first to last.
        per_iteration, per_second: Bytes, by the slower of the usual and of the newest quarter.
        to_come: Bytes that it still grows by where it becomes slower and slower; None where it does
            not.
        into_next_pass: Whether it continued for at least as long as a quarter in another pass over
            the data than it began in; None where passes are not counted.
    """

    first: MemoryPoint
    last: MemoryPoint
    rise: int
    per_iteration: float
    per_second: float
    to_come: float | None
    into_next_pass: bool | None

    @property
    def iterations(self) -> int:
        """From first to last."""
        return self.last.iteration - self.first.iteration

    @property
    def seconds(self) -> float:
        """From first to last."""
        return self.last.at - self.first.at


def measured(trace: MemoryTrace, least: int = LEAST) -> MemoryGrowth | None:
    """The growth of a trace; None where it is not steady, or too short to be called so."""
    points = trace.all
    points = points[max(1, int(OPENING * len(points))) :]
    if not is_long_enough(points):
        return None
    # The newest samples may be a peak: they only show what was given back.
    floor = _never_given_back(points)[:-PEAK]
    points = points[:-PEAK]
    first, last = points[0], points[-1]
    span = last.iteration - first.iteration
    marks = [_at(points, floor, first.iteration + span * part / 4) for part in range(5)]
    quarters = [after - before for before, after in itertools.pairwise(marks)]
    usual = median(quarters)
    rise = marks[-1] - marks[0]
    if rise < least or min(quarters) < EVENLY * usual or min(quarters) <= 0:
        return None
    if rise < BEYOND_NOISE * _noise(points):
        return None
    per_iteration = min(usual, quarters[-1]) / (span / 4)
    half = points[len(points) // 2]
    pace = (last.iteration - half.iteration) / max(last.at - half.at, 1e-3)
    return MemoryGrowth(
        first=first,
        last=last,
        rise=int(rise),
        per_iteration=per_iteration,
        per_second=per_iteration * pace,
        to_come=_to_come(quarters),
        into_next_pass=_into_next_pass(points),
    )


def is_long_enough(points: Sequence[MemoryPoint]) -> bool:
    """Whether there is enough to judge by."""
    if len(points) < POINTS:
        return False
    first, last = points[0], points[-1]
    return last.iteration - first.iteration >= ITERATIONS or last.at - first.at >= SECONDS


def _never_given_back(points: Sequence[MemoryPoint]) -> list[int]:
    """For each point the lowest level from there on."""
    level, floor = points[-1].total, []
    for point in reversed(points):
        level = min(level, point.total)
        floor.append(level)
    return floor[::-1]


def _at(points: Sequence[MemoryPoint], floor: Sequence[int], iteration: float) -> float:
    """The floor at an iteration, between two points on the line that joins them."""
    after = next(n for n, point in enumerate(points) if point.iteration >= iteration)
    if after == 0:
        return floor[0]
    before, end = points[after - 1].iteration, points[after].iteration
    part = (iteration - before) / (end - before)
    return floor[after - 1] + part * (floor[after] - floor[after - 1])


def _to_come(quarters: Sequence[float]) -> float | None:
    """The rest of a growth of which each quarter is a share of the one before."""
    if any(after >= before for before, after in itertools.pairwise(quarters)):
        return None
    share: float = (quarters[-1] / quarters[0]) ** (1 / (len(quarters) - 1))
    return quarters[-1] * share / (1 - share)


def _noise(points: Sequence[MemoryPoint]) -> float:
    """The usual distance of a point from the straight line through all."""
    xs = [float(point.iteration) for point in points]
    ys = [float(point.total) for point in points]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread
    return median(abs(y - mean_y - slope * (x - mean_x)) for x, y in zip(xs, ys, strict=True))


def _into_next_pass(points: Sequence[MemoryPoint]) -> bool | None:
    """Whether the last quarter lies in a later pass than the beginning: no cache fills twice."""
    if points[0].epoch is None or points[-1].epoch is None:
        return None
    start = points[0].iteration + 0.75 * (points[-1].iteration - points[0].iteration)
    before = next(point for point in points if point.iteration >= start)
    return before.epoch is not None and before.epoch > points[0].epoch
