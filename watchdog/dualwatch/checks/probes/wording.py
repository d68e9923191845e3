"""Words and bounds that several probes share."""

from __future__ import annotations

from collections.abc import Mapping


def range_words(limits: Mapping[str, float]) -> str:
    """ "0.3 to 0.5", "at most 15"."""
    low, high = limits.get("low"), limits.get("high")
    low = low if low is not None else limits.get("fail_below")
    high = high if high is not None else limits.get("fail_above")
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if high is not None:
        return f"at most {high:g}"
    return f"at least {low:g}" if low is not None else "any"


def beyond(value: float, low: float | None, high: float | None) -> bool:
    """Whether a value is outside of a range."""
    return (low is not None and value < low) or (high is not None and value > high)
