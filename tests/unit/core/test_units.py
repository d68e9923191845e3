"""Durations, sizes and counts as text."""

from __future__ import annotations

import pytest
from dualwatch.core import units
from dualwatch.core.units import GIB, MIB


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (59.4, "59s"), (75, "1m15s"), (3600, "1h00m"), (5000, "1h23m"), (200000, "2d07h")],
)
def test_durations(seconds, text) -> None:
    assert units.span(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "?"),
        (0, "0 B"),
        (2048, "2 KiB"),
        (MIB, "1 MiB"),
        (GIB, "1.0 GiB"),
        (1536 * MIB, "1.5 GiB"),
    ],
)
def test_sizes(count, text) -> None:
    assert units.size(count) == text


def test_a_noun_after_its_count() -> None:
    assert [units.counted(n, "minute") for n in (0, 1, 2)] == ["0 minutes", "1 minute", "2 minutes"]


def test_moments() -> None:
    assert units.clock(0.0).endswith(units.time_of_day(0.0))
    assert units.stamp(0.0) == units.clock(0.0).translate(
        {ord(":"): "", ord("-"): "", ord(" "): "_"}
    )
