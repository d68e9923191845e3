"""How the total loss went from the first lines to the newest. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from statistics import median

from dualwatch.rules.metrics.finite_inside import total
from dualwatch.state.metric_series import Bucket, Metric
from dualwatch.state.snapshot import Snapshot

LEAST_FALL = 0.03
"""Share of its first values by which a loss has fallen that falls."""


@dataclass(frozen=True, slots=True)
class Course:
    """The course of a loss.

    Attributes:
        early, late: Its level in the first lines and in the newest quarter.
        falls: Whether it is lower now, by more than noise.
    """

    name: str
    early: float
    late: float
    falls: bool

    @property
    def words(self) -> str:
        """For people."""
        how = "falls" if self.falls else "does not fall"
        return (
            f"{self.name} {how}: {self.early:.4g} in the first lines, {self.late:.4g} in the newest"
        )


def course_of_total(s: Snapshot) -> Course | None:
    """The course of the total loss, None without one or with two lines only."""
    name = total(s.last_train.metrics) if s.last_train is not None else None
    metric = s.metrics.get(name) if name is not None else None
    return course(name, metric) if name is not None and metric is not None else None


def course(name: str, metric: Metric) -> Course | None:
    """The course of one loss, None where it has fewer than three values."""
    series = metric.series
    if series.lines < 3:
        return None
    early = median(point.value for point in series.head[:3])
    late = mean_of_newest(series.buckets)
    least = LEAST_FALL * abs(early)
    fell = late < early - least or -slope(series.buckets) * extent(series.buckets) > least
    return Course(name, early, late, fell)


def mean_of_newest(buckets: tuple[Bucket, ...]) -> float:
    """The mean of the newest quarter of all lines."""
    wanted = sum(bucket.count for bucket in buckets) / 4
    count, whole = 0, 0.0
    for bucket in reversed(buckets):
        count, whole = count + bucket.count, whole + bucket.count * bucket.mean
        if count >= wanted:
            break
    return whole / count


def slope(buckets: tuple[Bucket, ...]) -> float:
    """Theil-Sen: the median of the slopes of all pairs, which single wild values do not move."""
    slopes = [
        (later.mean - earlier.mean) / (later.iteration - earlier.iteration)
        for earlier, later in combinations(buckets, 2)
        if later.iteration != earlier.iteration
    ]
    return median(slopes) if slopes else 0.0


def extent(buckets: tuple[Bucket, ...]) -> int:
    """Iterations from the first bucket to the last."""
    return buckets[-1].iteration - buckets[0].iteration
