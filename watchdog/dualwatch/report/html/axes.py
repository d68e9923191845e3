"""Scales and ticks: from values to places in a chart, 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from dualwatch.core import units

STEEP = 50.0
"""The greatest value is this many times the usual one: the scale is logarithmic."""

_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200)
_DAY = 86400


class Tick(NamedTuple):
    """A place on an axis in percent, and its label."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from ``low`` to ``high`` on a length of 1."""

    low: float
    high: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """The place of a value, clipped to 0 to 1."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(max(value, low))
        return min(1.0, max(0.0, (value - low) / ((high - low) or 1.0)))

    def percent(self, value: float) -> float:
        """The same, in percent for a style sheet."""
        return round(100 * self.place(value), 2)


def of_values(values: Sequence[float], *, from_zero: bool = True) -> Scale:
    """A scale on which all values have room; finite ones only."""
    if not values:
        return Scale(0.0, 1.0)
    low, high = min(values), max(values)
    ordered = sorted(values)
    usual = ordered[len(ordered) // 2]
    if low > 0 and high > STEEP * usual:
        return Scale(10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high)), True)
    if from_zero and 0 <= low <= 0.7 * high:
        low = 0.0
    if high == low:
        margin = abs(high) * 0.1 or 1.0
        low, high = low - margin, high + margin
    step = _step(high - low, 4)
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step)


def of_sizes(values: Sequence[float], *, from_zero: bool = True) -> Scale:
    """A scale for bytes, whose ends are round in binary units."""
    top = max(values, default=1.0)
    unit = 1.0
    while unit * 1024 * 2 <= top:
        unit *= 1024
    scaled = of_values([value / unit for value in values], from_zero=from_zero)
    if scaled.logarithmic:
        scaled = Scale(0.0, max(1.0, math.ceil(top / unit)))
    return Scale(scaled.low * unit, scaled.high * unit)


def ticks(scale: Scale, most: int = 5) -> list[Tick]:
    """Round values on a scale."""
    if scale.logarithmic:
        first, last = round(math.log10(scale.low)), round(math.log10(scale.high))
        every = max(1, math.ceil((last - first) / most))
        powers = [10.0**power for power in range(first, last + 1, every)]
        return [Tick(scale.percent(value), f"{value:g}") for value in powers]
    step = _step(scale.high - scale.low, most)
    begin = math.ceil(scale.low / step - 1e-9)
    values: list[float] = []
    while begin * step <= scale.high + 1e-9 * step and len(values) <= 2 * most:
        values.append(begin * step)
        begin += 1
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    plain = digits <= 5 and max(abs(scale.low), abs(scale.high)) < 1e6
    return [Tick(scale.percent(v), f"{v:.{digits}f}" if plain else f"{v:.3g}") for v in values]


def sizes(scale: Scale, most: int = 4) -> list[Tick]:
    """Round sizes in bytes."""
    unit = 1.0
    while unit * 1024 * 2 <= scale.high:
        unit *= 1024
    step = _step((scale.high - scale.low) / unit, most) * unit
    count = int((scale.high - scale.low) / step + 1e-9)
    values = [scale.low + n * step for n in range(count + 1)]
    return [Tick(scale.percent(value), units.size(value) if value else "0") for value in values]


def clocks(scale: Scale, most: int = 6) -> list[Tick]:
    """Times of the day, with the date where the axis is longer than two days."""
    length = scale.high - scale.low
    step = next((s for s in _SECONDS if length / s <= most), None)
    step = step or _DAY * math.ceil(length / most / _DAY)
    offset = datetime.fromtimestamp(scale.low).astimezone().utcoffset()
    shift = offset.total_seconds() if offset is not None else 0.0
    form = "%m-%d" if step >= _DAY else "%H:%M:%S" if step < 60 else "%H:%M"
    if length > 2 * _DAY > step * 2:
        form = "%m-%d %H:%M"
    first = math.ceil((scale.low + shift) / step) * step - shift
    found: list[Tick] = []
    while first <= scale.high and len(found) <= 2 * most:
        text = datetime.fromtimestamp(first).strftime(form)
        found.append(Tick(scale.percent(first), text))
        first += step
    return found


def spans(scale: Scale, most: int = 6) -> list[Tick]:
    """Times since a start."""
    length = scale.high - scale.low
    step = next((s for s in _SECONDS if length / s <= most), None)
    step = step or _DAY * math.ceil(length / most / _DAY)
    count = int(length / step + 1e-9)
    return [
        Tick(scale.percent(scale.low + n * step), units.span(scale.low + n * step) if n else "0")
        for n in range(count + 1)
    ]


def _step(length: float, most: int) -> float:
    """A round step of which at most about so many make a length."""
    rough = max(length, 1e-300) / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(n * power for n in (1, 2, 2.5, 5, 10) if n * power >= rough * (1 - 1e-9))
