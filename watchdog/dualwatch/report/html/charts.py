"""A chart with axes, curves and limits, and the same in words and in numbers.

Places are percents and the paths are stretched to the available width, so that the lettering keeps
its size on a phone.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dualwatch.core import units
from dualwatch.report.html import axes
from dualwatch.report.html.axes import Scale, Tick

WIDTH, HEIGHT = 1000, 400
STYLES = 6
MOST_ROWS = 20
FAR = 2.5
"""A limit that is this many times the greatest value is not drawn."""


@dataclass(slots=True)
class Curve:
    """One line of a chart: stretches of (xs, ys), which are not connected.

    Attributes:
        style: Its number in the picture.
        dash: Number of its dash, 0 for none; by default that of its style.
    """

    label: str
    style: int
    stretches: Sequence[tuple[Sequence[float], Sequence[float]]]
    dash: int | None = None
    path: str = ""
    dots: str = ""

    @property
    def look(self) -> str:
        """Colour and dash: two curves of one picture differ in both, beyond six in one."""
        dash = self.style + self.style // STYLES if self.dash is None else self.dash
        return f"c{self.style % STYLES} d{dash % STYLES}"


@dataclass(slots=True)
class LimitLine:
    """A line across the picture: a limit (level) or a moment (upright)."""

    value: float
    text: str
    kind: str = "limit"
    at: float = 0.0


@dataclass(slots=True)
class Chart:
    """Ready to be drawn.

    Attributes:
        summary: What it shows, in words.
        every: Lines per row of the table, 1 for all.
    """

    name: str
    title: str
    summary: str
    x_title: str
    curves: list[Curve]
    levels: list[LimitLine] = field(default_factory=list)
    moments: list[LimitLine] = field(default_factory=list)
    across: list[Tick] = field(default_factory=list)
    up: list[Tick] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    is_wide: bool = False
    logarithmic: bool = False


def draw(
    picture: Chart,
    *,
    x_scale: Scale | None = None,
    across: Callable[[Scale], list[Tick]] = axes.ticks,
    up: Callable[[Scale], list[Tick]] = axes.ticks,
    show_x: Callable[[float], str] = units.value,
    show_y: Callable[[float], str] = units.value,
    scale_of: Callable[[Sequence[float]], Scale] = axes.of_values,
) -> Chart:
    """Computes the geometry of a chart, its ticks and its table."""
    xs = [x for curve in picture.curves for part, _ in curve.stretches for x in part]
    ys = [y for curve in picture.curves for _, part in curve.stretches for y in part]
    if x_scale is None:
        low, high = (min(xs), max(xs)) if xs else (0.0, 1.0)
        x_scale = Scale(low, high if high > low else low + 1.0)
    greatest = max(ys, default=0.0)
    near = [rule.value for rule in picture.levels if 0 < rule.value <= FAR * greatest]
    y_scale = scale_of([*ys, *near])
    picture.logarithmic = y_scale.logarithmic
    for rule in picture.levels:
        rule.at = y_scale.percent(rule.value)
    inside = [r for r in picture.levels if y_scale.low <= r.value <= y_scale.high]
    picture.levels = inside
    for rule in picture.moments:
        rule.at = x_scale.percent(rule.value)
    _thin_out(picture.moments)
    picture.across, picture.up = across(x_scale), up(y_scale)
    for curve in picture.curves:
        curve.path, curve.dots = _path(curve, x_scale, y_scale)
    picture.head = [picture.x_title, *(curve.label for curve in picture.curves)]
    picture.rows = _rows(picture.curves, show_x, show_y)
    return picture


def _thin_out(moments: Sequence[LimitLine]) -> None:
    """Merges labels that would overlap, or leaves them out; lines stay."""
    free = -math.inf
    last: LimitLine | None = None
    for rule in sorted(moments, key=lambda rule: rule.at):
        if last is None or rule.at >= free:
            last = rule
        else:
            if rule.text not in last.text and "," not in last.text:
                last.text += f", {rule.text}"
            rule.text = ""
        free = last.at + 2.6 * max(4, len(last.text))


def _path(curve: Curve, x_scale: Scale, y_scale: Scale) -> tuple[str, str]:
    """The lines of a curve, and dots for single or few points."""
    parts: list[str] = []
    dots: list[str] = []
    for xs, ys in curve.stretches:
        points = [
            f"{WIDTH * x_scale.place(x):.1f} {HEIGHT * (1 - y_scale.place(y)):.1f}"
            for x, y in zip(xs, ys, strict=True)
        ]
        if len(points) > 1:
            parts.append("M" + "L".join(points))
        if len(points) <= 12:
            dots += [f"M{point}h0" for point in points]
    return "".join(parts), "".join(dots)


def _rows(
    curves: Sequence[Curve], show_x: Callable[[float], str], show_y: Callable[[float], str]
) -> list[list[str]]:
    """Some places, evenly taken, with the value of each curve there."""
    known = [
        sorted((x, y) for xs, ys in curve.stretches for x, y in zip(xs, ys, strict=True))
        for curve in curves
    ]
    places = sorted({x for points in known for x, _ in points})
    if len(places) > MOST_ROWS:
        last = len(places) - 1
        places = [places[round(n * last / (MOST_ROWS - 1))] for n in range(MOST_ROWS)]
    rows = []
    for number, place in enumerate(places):
        before = places[number - 1] if number else -math.inf
        row = [show_x(place)]
        for points in known:
            at = bisect_right(points, (place, math.inf)) - 1
            fresh = at >= 0 and points[at][0] > before
            row.append(show_y(points[at][1]) if fresh else "")
        rows.append(row)
    return rows
