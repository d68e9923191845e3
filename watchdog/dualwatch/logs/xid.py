"""Errors of the GPU by number, as NVIDIA's driver writes them into the kernel's log. Pure.

::

    [ 9812.41] NVRM: Xid (PCI:0000:3b:00): 79, pid=71234, GPU has fallen off the bus.
"""

from __future__ import annotations

import re

FATAL = frozenset((46, 62, 74, 79, 95, 119, 120, 136, 140, 143, 154))
"""After these the GPU does not work until it is reset."""

MEMORY = frozenset((48, 63, 64, 92, 94))
"""Of its memory. Other numbers are mostly of programs that failed, or were killed."""

_XID = re.compile(r"NVRM: .*?\bXid\b(?: \([^)]*\))?: (\d+)")


def number(line: str) -> int | None:
    """The number in a line of the driver; None for other lines."""
    match = _XID.search(line)
    return int(match[1]) if match else None


def is_fatal(line: str) -> bool:
    """Whether the driver reports in a line that it lost a GPU."""
    return number(line) in FATAL or ("NVRM: " in line and "fallen off the bus" in line)
