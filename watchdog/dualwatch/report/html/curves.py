"""The charts of a training: losses, gradients, learning rate, evaluations, times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dualwatch.core import units
from dualwatch.domains.base import Range
from dualwatch.history.curves import MetricCurve, MetricCurves
from dualwatch.history.metrics_table import EPOCHS, ITERATIONS
from dualwatch.history.reported_run import ReportedRun
from dualwatch.report.html import axes
from dualwatch.report.html.charts import Chart, Curve, LimitLine, draw
from dualwatch.state.metric_series import is_gradient, is_loss

MOST_PICTURES = 12
"""Of the losses, and of the evaluated metrics; the names of others are listed."""

MOST_BROKEN = 30


@dataclass(slots=True)
class CurveCharts:
    """The charts by topic, and the names of metrics without one."""

    losses: list[Chart] = field(default_factory=list)
    gradients: list[Chart] = field(default_factory=list)
    evaluations: list[Chart] = field(default_factory=list)
    times: list[Chart] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


class Plotter:
    """Draws the metrics of one run, or of several over each other."""

    def __init__(self, runs: Sequence[ReportedRun]) -> None:
        self._runs = runs
        counts = {run.table.axis() for run in runs if run.table.trained}
        self.axis = EPOCHS if counts == {EPOCHS} else ITERATIONS
        self._places = [run.table.places(self.axis) for run in runs]
        self._curves_of = [
            MetricCurves(run.table, places) for run, places in zip(runs, self._places, strict=True)
        ]
        low = min((min(places) for places in self._places if places), default=0.0)
        high = max((max(places) for places in self._places if places), default=1.0)
        low = 0.0 if low < 0.2 * high else low
        self._x = axes.Scale(low, high if high > low else low + 1.0)
        self._limits = {key: limit for run in reversed(runs) for key, limit in run.limits.items()}
        self._first = list(dict.fromkeys(name for run in runs for name in run.shown_first))

    def all(self) -> CurveCharts:
        """All charts that have data."""
        made = CurveCharts()
        trained, evaluated = self._names()
        losses = sorted((n for n in trained if is_loss(n)), key=self._rank)
        made.losses = self._pictures(losses[:MOST_PICTURES], training=True)
        gradients = [name for name in trained if is_gradient(name)]
        rates = [name for name in trained if _base(name) == "lr"]
        made.gradients = self._pictures([*gradients[:2], *rates[:2]], training=True)
        made.evaluations = self._pictures(evaluated[:MOST_PICTURES], training=False)
        made.times = self._times(trained)
        shown = {*losses[:MOST_PICTURES], *gradients[:2], *rates[:2], *evaluated[:MOST_PICTURES]}
        made.left_out = [
            name
            for name in (*trained, *evaluated)
            if name not in shown and _base(name) not in ("time", "data_time", "base_lr")
        ]
        return made

    def _names(self) -> tuple[list[str], list[str]]:
        """Metrics of training lines and of evaluations, in the order of their appearance."""
        trained: dict[str, None] = {}
        evaluated: dict[str, None] = {}
        for run in self._runs:
            table = run.table
            for name, column in table.columns.items():
                ends = (*column.rows[:50], *column.rows[-50:])
                if any(table.training[row] for row in ends):
                    trained[name] = None
                elif _base(name) not in ("time", "data_time"):
                    evaluated[name] = None
        return list(trained), list(evaluated)

    def _rank(self, name: str) -> int:
        return self._first.index(_base(name)) if _base(name) in self._first else len(self._first)

    def _pictures(self, names: Sequence[str], *, training: bool) -> list[Chart]:
        made = [self._picture(name, training=training) for name in names]
        return [picture for picture in made if picture is not None]

    def _picture(self, name: str, *, training: bool) -> Chart | None:
        courses = self._courses(name, training)
        if all(one.is_empty and not one.broken for one in courses):
            return None
        limit = self._limits.get(_base(name)) if training else None
        levels = []
        if limit is not None and limit.high is not None:
            levels.append(LimitLine(limit.high, f"limit {limit.high:g}"))
        if limit is not None and limit.low is not None:
            levels.append(LimitLine(limit.low, f"at least {limit.low:g}"))
        picture = Chart(
            name=name,
            title=name,
            summary=" ".join(self._said(courses, limit)),
            x_title=self.axis,
            curves=self._curves(courses),
            levels=levels,
            moments=[*self._moments(), *_broken(courses)],
        )
        return draw(picture, x_scale=self._x, show_x=_place)

    def _courses(self, name: str, training: bool) -> list[MetricCurve]:
        return [curves.curve(name, training=training) for curves in self._curves_of]

    def _curves(self, courses: Sequence[MetricCurve]) -> list[Curve]:
        """A curve for each run; for a single run one for each of its attempts."""
        if len(courses) > 1:
            return [
                Curve(run.label, number, [(s.xs, s.ys) for s in one.stretches])
                for number, (run, one) in enumerate(zip(self._runs, courses, strict=True))
                if one.stretches
            ]
        (only,) = courses
        by_attempt: dict[int, list[tuple[Sequence[float], Sequence[float]]]] = {}
        for stretch in only.stretches:
            by_attempt.setdefault(stretch.attempt, []).append((stretch.xs, stretch.ys))
        if len(by_attempt) <= 1:
            return [Curve(only.name, 0, parts) for parts in by_attempt.values()]
        # What counts in the end is drawn through, what was before it is dashed.
        order = [attempt.number for attempt in self._runs[0].attempts]
        return [
            Curve(f"attempt {number}", at, parts, dash=max(0, len(order) - 1 - at))
            for number, parts in by_attempt.items()
            for at in (order.index(number) if number in order else number,)
        ]

    def _moments(self) -> list[LimitLine]:
        """Where attempts begin and stalls are; for a single run only."""
        if len(self._runs) > 1:
            return []
        (run,), (places,) = self._runs, self._places
        rules = []
        for attempt in run.attempts[1:]:
            row = run.timeline.first_rows.get(attempt.number, len(places))
            if row < len(places):
                rules.append(LimitLine(places[row], f"attempt {attempt.number}", "attempt"))
        for stall in run.timeline.stalls:
            place = places[stall.row] if 0 <= stall.row < len(places) else self._x.low
            rules.append(LimitLine(place, "stall", "stall"))
        return rules[:24]

    # --- in words ----------------------------------------------------------------------------

    def _said(self, courses: Sequence[MetricCurve], limit: Range | None) -> list[str]:
        several = len(courses) > 1
        said = []
        for run, one in zip(self._runs, courses, strict=True):
            lead = f"{run.label}: " if several else ""
            if one.is_empty:
                said.append(f"{lead}{'no number' if one.broken else 'not logged'}.")
                continue
            text = self._course_in_words(one)
            said.append(f"{lead}{text[:1].upper() if not several else text[:1]}{text[1:]}.")
            if one.broken:
                said.append(
                    f"{len(one.broken)} of {one.count} values are no finite number, "
                    f"first at {self.axis} {_place(one.broken[0])}."
                )
        if limit is not None and limit.high is not None:
            over = [one for one in courses if one.highest[0] > limit.high]
            grace = f" (not applied before iteration {limit.after})" if limit.after else ""
            verdict = "was exceeded" if over else "was never exceeded"
            said.append(f"The limit of {limit.high:g}{grace} {verdict}.")
        return said

    def _course_in_words(self, one: MetricCurve) -> str:
        assert one.first is not None
        assert one.last is not None
        if one.lowest[0] == one.highest[0]:
            times = f"in all {one.count} lines" if one.count > 1 else "in the only line"
            return f"{units.value(one.first)} {times}"
        return (
            f"from {units.value(one.first)} to {units.value(one.last)}; "
            f"lowest {units.value(one.lowest[0])} at {self.axis} {_place(one.lowest[1])}, "
            f"highest {units.value(one.highest[0])} at {self.axis} {_place(one.highest[1])}"
        )

    # --- times -------------------------------------------------------------------------------

    def _times(self, trained: Sequence[str]) -> list[Chart]:
        """Time of an iteration and of its data: over each other for one run, else one by one."""
        names = [name for name in trained if _base(name) in ("time", "data_time")]
        if len(self._runs) > 1:
            return self._pictures(names, training=True)
        curves, said = [], []
        for number, name in enumerate(sorted(names, key=lambda n: _base(n) != "time")):
            (one,) = self._courses(name, True)
            if not one.is_empty:
                what = "whole iteration" if _base(name) == "time" else "waiting for data"
                parts = [(s.xs, s.ys) for s in one.stretches]
                curves.append(Curve(f"{what} ({name})", number, parts))
                said.append(f"{what}: {self._course_in_words(one)}.")
        if not curves:
            return []
        said.append(_share(self._runs[0], names))
        picture = Chart(
            name="step-time",
            title="Seconds of an iteration",
            summary=" ".join(text[:1].upper() + text[1:] for text in said if text),
            x_title=self.axis,
            curves=curves,
            moments=self._moments(),
            is_wide=True,
        )
        return [draw(picture, x_scale=self._x, show_x=_place)]


def _share(run: ReportedRun, names: Sequence[str]) -> str:
    """How much of the time went into waiting for data."""
    sums = {}
    for name in names:
        column = run.table.columns[name]
        finite = [v for v in column.values if 0 <= v < 1e9]
        sums[_base(name)] = sum(finite) / max(1, len(finite))
    if not sums.get("time") or "data_time" not in sums:
        return ""
    percent = 100 * sums["data_time"] / sums["time"]
    shown = f"{percent:.0f} %" if percent >= 1 else "less than 1 %"
    return f"on average {shown} of it was spent on data."


def _broken(courses: Sequence[MetricCurve]) -> list[LimitLine]:
    places = [place for one in courses for place in one.broken]
    return [LimitLine(place, "no number", "broken") for place in places[:MOST_BROKEN]]


def _place(value: float) -> str:
    """A place on the axis: hundredths of an epoch, whole iterations."""
    return f"{value:.0f}" if value >= 1000 else f"{round(value, 2):g}"


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1]
