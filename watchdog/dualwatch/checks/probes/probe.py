"""What a check is, and the types of its limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dualwatch.checks.item import CheckSubject, Item, Reading
from dualwatch.core.clock import duration
from dualwatch.core.plain import PlainValue

Run = Callable[[CheckSubject, Item], Reading]

_SIZES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


@dataclass(frozen=True, slots=True)
class Check:
    """One check with the limits that it uses.

    Attributes:
        limits: Name -> how its value is read; raises ``ValueError`` with a message.
        required: Limits that an item must give.
        local: Whether it is about the machine that dualwatch runs on.
    """

    run: Run
    limits: Mapping[str, Callable[[PlainValue], object]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    local: bool = False


def seconds(value: PlainValue) -> float:
    """A duration: "2m"."""
    return duration(value)


def number(value: PlainValue) -> float:
    """Any number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("is not a number")
    return float(value)


def count(value: PlainValue) -> int:
    """A whole number, not negative."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("is not an integer from 0")
    return value


def share(value: PlainValue) -> float:
    """A number from 0 to 1."""
    if not 0 <= number(value) <= 1:
        raise ValueError("must be from 0 to 1")
    return number(value)


def size(value: PlainValue) -> int:
    """Bytes: "10GiB", "512 MB" (both are powers of 1024 here), or a plain number."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", str(value).strip().lower())
    if match is None:
        raise ValueError("is not a size; use 512MiB or 10GiB")
    return int(float(match[1]) * _SIZES[match[2]])


def word(value: PlainValue) -> str:
    """A word or a name."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is not a word")
    return value


def words(value: PlainValue) -> tuple[str, ...]:
    """A list of words."""
    if not isinstance(value, (list, tuple)):
        raise ValueError("is not a list of words")
    return tuple(word(part) for part in value)


def codes(value: PlainValue) -> tuple[str, ...]:
    """A list of finding codes."""
    found = words(value)
    for code in found:
        if not re.fullmatch(r"DW\d{3}", code):
            raise ValueError(f"holds {code!r}, which is not a finding code")
    return found
