"""Durations, sizes, moments and figures as text."""

from __future__ import annotations

import time

MIB = 1024**2
GIB = 1024**3


def span(seconds: float) -> str:
    """``75`` -> ``1m15s``; the two largest units."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds}s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h{minutes:02d}m"
    return f"{hours // 24}d{hours % 24:02d}h"


def eta(seconds: float) -> str:
    """Remaining time, ``0:12:34``."""
    from datetime import timedelta

    return str(timedelta(seconds=round(seconds)))


def clock(wall: float) -> str:
    """Local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))


def time_of_day(wall: float) -> str:
    """Local time without the date."""
    return clock(wall)[11:]


def stamp(wall: float) -> str:
    """Local date and time as part of a file's name."""
    return time.strftime("%Y%m%d_%H%M%S", time.localtime(wall))


def size(count: float | None) -> str:
    """Bytes in binary units; "?" for unknown."""
    if count is None:
        return "?"
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def counted(count: int, noun: str) -> str:
    """``1 minute``, ``2 minutes``: a count with its noun."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def value(number: float) -> str:
    """A metric's value with four significant digits."""
    return f"{number:.4g}"


def exit_code(code: int | None) -> str:
    """An exit code in words; the large ones of Windows also in the form in which they are known."""
    if code is None:
        return "exit code not known"
    return f"exit code {code}" + (f" (0x{code & 0xFFFFFFFF:08X})" if abs(code) > 255 else "")
