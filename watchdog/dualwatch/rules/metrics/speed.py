"""DW208 and DW209: iterations that become slower, and a training that waits for its data. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from dualwatch.core.units import counted
from dualwatch.events import Evidence, Finding
from dualwatch.rules.catalog import finding
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.metric_series import Bucket, Metric
from dualwatch.state.snapshot import Snapshot

LINES = 12
"""Log lines from which the speed is judged; the first ones are slower."""

SLOWER = 1.5
"""Times the own earlier time that an iteration takes when it has become slower."""

LEAST_S = 0.03
"""Seconds an iteration by which it must have become slower."""

WAITING = 0.5
"""Share of an iteration from which most of it is waiting."""

LEAST_WAIT_S = 0.02

MOST_OF_IT = 0.6
"""Share of what was added that names one part of the iteration as the slower one."""

DATA = (
    "Loading has become slower: look at the storage, at other processes on it and at the CPU; copy "
    "the data to a local disk, or give the loader more workers."
)
COMPUTING = (
    "Computing has become slower, not loading: look at nvidia-smi for another process, for clocks "
    "that are throttled by heat or power, and for memory that is full (on Windows it spills into "
    "host memory); a smaller batch shows whether it is that."
)
EITHER = (
    "Compare data_time with time in the log, and look at nvidia-smi and at the load of the CPU."
)


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds of an iteration by the log.

    Attributes:
        time, data: Of the newest lines, waiting for data included; data is None where not logged.
        early, early_data: Of the lines at the beginning, without the first one.
        share: Usual share of waiting for data, None where not logged.
        slow_since: Iteration from which on it is slower, None where it is not.
    """

    lines: int
    time: float
    data: float | None
    early: float
    early_data: float | None
    share: float | None
    slow_since: int | None

    @property
    def waits(self) -> bool:
        """Whether most of the time is spent waiting for data."""
        if self.share is None or self.data is None or self.share < WAITING:
            return False
        return self.data >= max(LEAST_WAIT_S, WAITING * self.time)


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Whether it has become slower, and whether it waits for data."""
    speed = measured(s)
    if speed is None:
        return
    if speed.slow_since is not None:
        yield _slower(s, speed)
    if speed.waits:
        yield _waiting(s, speed)


def measured(s: Snapshot) -> Speed | None:
    """The speed by the training lines; None where there are too few, or they hold no time."""
    times, waits = _metric(s, "time"), _metric(s, "data_time")
    if times is None or times.series.lines < LINES:
        return None
    buckets = _without_first(times.series.buckets)
    quarter = max(1, len(buckets) // 4)
    early = median(bucket.mean for bucket in buckets[:quarter])
    late = median(bucket.mean for bucket in buckets[-quarter:])
    newest = [point.value for point in times.recent if math.isfinite(point.value)]
    if not newest:
        return None
    now = median(newest)
    limit = early + max((SLOWER - 1) * early, LEAST_S)
    # The median of the newest quarter and that of the newest lines: no single pause.
    is_slower = late >= limit and min(newest) >= early + max(0.25 * early, LEAST_S) and now >= limit
    since = _since(buckets, early + (late - early) / 4) if is_slower else None
    if waits is None or waits.series.lines < LINES:
        return Speed(times.series.lines, now, None, early, None, None, since)
    waiting = _without_first(waits.series.buckets)
    pairs = [(d.mean, t.mean) for d, t in zip(waiting, buckets, strict=False) if t.mean > 0]
    shares = [data / time for data, time in pairs]
    recent = [point.value for point in waits.recent if math.isfinite(point.value)]
    return Speed(
        lines=times.series.lines,
        time=now,
        data=median(recent) if recent else None,
        early=early,
        early_data=median(bucket.mean for bucket in waiting[: max(1, len(waiting) // 4)]),
        share=median(shares) if shares else None,
        slow_since=since,
    )


def without_workers(s: Snapshot, workers: int) -> tuple[float, float] | None:
    """Seconds of an iteration with workers, and at most without; None where not measured.

    Workers deliver a batch in each iteration, so one alone loads it in the time of as many
    iterations as there are workers, at most.
    """
    speed = measured(s)
    if speed is None or speed.data is None or workers < 1 or s.replaced:
        return None
    return speed.time, speed.time - speed.data + workers * speed.time


def _metric(s: Snapshot, name: str) -> Metric | None:
    """A time of the training lines."""
    found = (m for key, m in s.metrics.items() if key.rsplit("/", 1)[-1] == name and m.last_line)
    return next(found, None)


def _without_first(buckets: tuple[Bucket, ...]) -> tuple[Bucket, ...]:
    """The first line holds the start of the workers and the tuning of kernels."""
    return buckets[1:] if len(buckets) > 1 else buckets


def _since(buckets: tuple[Bucket, ...], least: float) -> int:
    """The first iteration after which all stretches are slow."""
    since = buckets[-1].iteration
    for bucket in reversed(buckets):
        if bucket.mean < least:
            break
        since = bucket.iteration
    return since


def _slower(s: Snapshot, speed: Speed) -> Finding:
    text = (
        f"an iteration takes {speed.time:.3g} s, {speed.time / speed.early:.1f} times as long as "
        f"at the beginning ({speed.early:.3g} s); slower since about {_place(s, speed.slow_since)}"
    )
    evidence = [_evidence(s, text)]
    remedy = EITHER
    if speed.data is not None and speed.early_data is not None:
        more, more_data = speed.time - speed.early, speed.data - speed.early_data
        evidence.append(
            _evidence(
                s, f"of it, waiting for data: {speed.data:.3g} s, {speed.early_data:.3g} s before"
            )
        )
        if more_data >= MOST_OF_IT * more:
            remedy = DATA
        elif more_data <= (1 - MOST_OF_IT) * more:
            remedy = COMPUTING
    return finding("DW208", evidence, confidence=0.9, remedy=remedy, attempt=s.attempt)


def _waiting(s: Snapshot, speed: Speed) -> Finding:
    assert speed.data is not None
    assert speed.share is not None
    text = (
        f"{speed.data:.3g} of {speed.time:.3g} s of an iteration are spent waiting for data "
        f"({100 * speed.share:.0f} % in {counted(speed.lines, 'log line')})"
    )
    evidence = [_evidence(s, text)]
    computing = max(speed.time - speed.data, 1e-3)
    remedy = "More workers, a cheaper pipeline, smaller source images, or the data on a local disk."
    loader = s.config.training_loader if s.config is not None else None
    workers = loader.get("num_workers") if loader is not None else None
    if isinstance(workers, int) and not isinstance(workers, bool) and not s.replaced:
        # So many workers make one batch in the time of an iteration; computing alone is shorter.
        needed = math.ceil(max(workers, 1) * (speed.time if workers else speed.data) / computing)
        evidence.append(
            _evidence(
                s,
                f"with {counted(workers, 'worker')}; at this speed of loading, about {needed} "
                "would keep up with the computing",
            )
        )
    return finding("DW209", evidence, confidence=0.9, remedy=remedy, attempt=s.attempt)


def _place(s: Snapshot, iteration: int | None) -> str:
    """An iteration as the log counts it."""
    line = s.last_train
    if iteration is None or line is None:
        return "an unknown line"
    if line.epoch is not None and line.total:
        epoch, rest = divmod(iteration - 1, line.total)
        return f"epoch {epoch + 1}, iteration {rest + 1}/{line.total}"
    return f"iteration {iteration}"


def _evidence(s: Snapshot, text: str) -> Evidence:
    return Evidence(text=text, source=s.log, wall=s.last_train.wall if s.last_train else None)
