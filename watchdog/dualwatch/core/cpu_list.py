"""Sets of CPUs in the kernel's notation: "0-3,8"."""

from __future__ import annotations

from collections.abc import Iterable


def of(cpus: Iterable[int]) -> str:
    """``{0, 1, 2, 8}`` -> ``0-2,8``."""
    ranges: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if ranges and cpu == ranges[-1][1] + 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)


def parsed(text: str) -> frozenset[int]:
    """``0-2,8`` -> ``{0, 1, 2, 8}``; empty for an empty text.

    Raises:
        ValueError: It is not such a list.
    """
    cpus: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return frozenset(cpus)
