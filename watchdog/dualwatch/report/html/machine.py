"""The charts of memory: devices, the training's processes, the machine."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence

from dualwatch.core import units
from dualwatch.history.curves import Stretch, thinned
from dualwatch.history.memory import MemoryLine
from dualwatch.history.reported_run import ReportedRun
from dualwatch.report.html import axes
from dualwatch.report.html.charts import Chart, Curve, LimitLine, draw

MOST_DEVICES = 8

Lines = Mapping[str, MemoryLine]


def pictures(runs: Sequence[ReportedRun]) -> list[Chart]:
    """The charts of what was observed."""
    made = [
        _picture(runs, "gpu", "GPU memory in use", _gpus),
        _picture(runs, "rss", "Memory of the training's processes", _processes),
        _picture(runs, "host", "Memory in use around the training", _host),
    ]
    return [picture for picture in made if picture is not None]


def unseen(runs: Sequence[ReportedRun]) -> list[str]:
    """What was not observed, and why."""
    said = []
    for run in runs:
        lead = f"{run.label}: " if len(runs) > 1 else ""
        if not run.memory.gpus:
            why = run.not_observed.get("gpu") or "no sample of a GPU is on record"
            said.append(f"{lead}GPU memory was not observed: {why}.")
        if not run.memory.processes:
            why = run.not_observed.get("memory") or "no sample of its processes is on record"
            said.append(f"{lead}The memory of its processes was not observed: {why}.")
    return said


def _gpus(run: ReportedRun) -> Lines:
    memory = run.memory
    shown: dict[str, MemoryLine] = {}
    for name, line in list(memory.gpus.items())[:MOST_DEVICES]:
        shown[f"{name} ({memory.names.get(name) or '?'})"] = line
        if name in memory.trees:
            shown[f"{name}, by the training"] = memory.trees[name]
    return shown


def _processes(run: ReportedRun) -> Lines:
    return run.memory.processes


def _host(run: ReportedRun) -> Lines:
    return run.memory.host


def _picture(
    runs: Sequence[ReportedRun], name: str, title: str, lines_of: Callable[[ReportedRun], Lines]
) -> Chart | None:
    several = len(runs) > 1
    curves: list[Curve] = []
    said: list[str] = []
    limits: dict[float, LimitLine] = {}
    for run in runs:
        for what, line in lines_of(run).items():
            label = f"{run.label}, {what}" if several else what
            parts = _stretches(line, run.timeline.first if several else 0.0)
            curves.append(Curve(label, len(curves), [(part.xs, part.ys) for part in parts]))
            said.append(f"{label}: {_said(line)}.")
            if line.limit and not several:
                limits[line.limit] = LimitLine(line.limit, f"total {units.size(line.limit)}")
    if not curves:
        return None
    picture = Chart(
        name=name,
        title=title,
        summary=" ".join(said),
        x_title="time since the start" if several else "time",
        curves=curves,
        levels=list(limits.values()),
        moments=[] if several else list(moments(runs[0])),
    )
    first, last = runs[0].timeline.first, runs[0].timeline.last
    across = axes.spans if several else axes.clocks
    return draw(
        picture,
        x_scale=None if several else axes.Scale(first, max(last, first + 1)),
        across=lambda scale: across(scale, 4),
        up=axes.sizes,
        show_x=units.span if several else units.time_of_day,
        show_y=units.size,
        scale_of=axes.of_sizes,
    )


def _said(line: MemoryLine) -> str:
    of = f" of {units.size(line.limit)}" if line.limit else ""
    return f"at most {units.size(max(line.values))}{of}, at the end {units.size(line.values[-1])}"


def moments(run: ReportedRun) -> Iterator[LimitLine]:
    """When attempts began and stalls were raised, on an axis of time."""
    for attempt in run.attempts[1:13]:
        yield LimitLine(attempt.begun, f"attempt {attempt.number}", "attempt")
    for stall in run.timeline.stalls[:12]:
        yield LimitLine(stall.raised, "stall", "stall")


def _stretches(line: MemoryLine, begin: float) -> list[Stretch]:
    """One for each attempt: between two there was no process."""
    found: list[Stretch] = []
    xs, ys = array("d"), array("d")
    for wall, attempt, value in zip(line.walls, line.attempts, line.values, strict=True):
        if not found or found[-1].attempt != attempt:
            xs, ys = array("d"), array("d")
            found.append(Stretch(attempt, xs, ys))
        xs.append(wall - begin)
        ys.append(value)
    share = max(8, 240 // len(found)) if found else 1
    return [thinned(one, share) for one in found[:240]]
