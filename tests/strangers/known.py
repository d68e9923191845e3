"""Inputs that are not answered rightly yet: ``known.txt``, one name a line.

"recorded: NAME" is a run of ``tests/recorded`` on which ``diagnose`` and ``check`` contradict each
other. The list must shrink: a test fails where a listed input is answered rightly. ``python -m
benchmarks.strangers --known`` writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

FILE = Path(__file__).with_name("known.txt")


def names() -> frozenset[str]:
    """The listed inputs."""
    return frozenset(FILE.read_text(encoding="utf-8").splitlines())


def write(found: Iterable[str]) -> None:
    """Lists these inputs."""
    FILE.write_text("".join(f"{name}\n" for name in sorted(found)), encoding="utf-8")
