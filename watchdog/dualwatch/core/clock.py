"""Both clocks, monotonic for durations and wall for display; parses durations."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Moment(NamedTuple):
    """One moment on both clocks, in seconds."""

    at: float
    wall: float


def now() -> Moment:
    """This moment."""
    return Moment(time.monotonic(), time.time())


def duration(value: object) -> float:
    """Seconds of ``90s``, ``5m``, ``1h30m`` or a plain number.

    Raises:
        ValueError: Not a duration, or not positive.
    """
    text = str(value).strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        seconds = float(text)
    elif re.fullmatch(r"(\d+(\.\d+)?[hms])+", text):
        parts = re.findall(r"(\d+(?:\.\d+)?)([hms])", text)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        raise ValueError("invalid duration; use 90s, 5m or 1h30m")
    if not 0 < seconds < 10**9:
        raise ValueError("invalid duration; must be more than 0 seconds")
    return seconds
