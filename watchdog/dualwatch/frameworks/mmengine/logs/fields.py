"""Small pieces that the log formats have in common."""

from __future__ import annotations

import math

from dualwatch.events import EvaluationLogged, IterationLogged


def crowded(field: str, metrics: dict[str, float]) -> None:
    """Adds fields with one space between them, as in ``base_lr: 1e-3 lr: 1e-4``.

    Raises:
        ValueError: A value is no number; the fields before it have been added.
    """
    parts = field.strip().split(": ")
    key = parts[0]
    for part in parts[1:-1]:
        value, _, following = part.partition(" ")
        metrics[key] = float(value)
        key = following.strip()
    metrics[key] = float(parts[-1])


def seconds_of(eta: str) -> float | None:
    """Seconds of a printed ``timedelta``: ``0:16:36``, ``1 day, 7:32:05``, ``2 days, 0:00:00``."""
    days, comma, clock = eta.rpartition(",")
    try:
        hours, minutes, seconds = clock.split(":")
        total = float(hours) * 3600 + float(minutes) * 60 + float(seconds)
        if comma:
            total += float(days.split()[0]) * 86400
    except (ValueError, IndexError):
        return None
    # "nan:0:0" and "1e999:0:0" are floats too; an eta of no finite length is none.
    return total if math.isfinite(total) else None


def natural(text: str) -> int | None:
    """A count of at most 18 digits, None for all else (a longer one is not a count)."""
    text = text.strip()
    if not text.isdecimal() or len(text) > 18:
        return None
    return int(text)


def progress(
    at: float,
    wall: float,
    mode: str,
    epoch: int | None,
    iteration: int,
    total: int | None,
    metrics: dict[str, float],
    eta_s: float | None,
    *,
    is_result: bool,
) -> IterationLogged | EvaluationLogged:
    """The event of a progress line, whichever format it had."""
    if is_result:
        return EvaluationLogged(
            at=at,
            wall=wall,
            mode=mode,
            epoch=epoch,
            iteration=iteration,
            total=total,
            metrics=metrics,
        )
    return IterationLogged(
        at=at,
        wall=wall,
        mode=mode,
        epoch=epoch,
        iteration=iteration,
        total=total,
        metrics=metrics,
        eta_s=eta_s,
    )
