"""DW505: memory of the host or of a device grows from iteration to iteration. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dualwatch.core import units
from dualwatch.events import Evidence, Finding, Severity
from dualwatch.rules.catalog import finding
from dualwatch.rules.deaths import exit
from dualwatch.rules.deaths.memory_growth import LEAST_OF_GPU, MemoryGrowth, measured
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.memory_trace import MemoryTrace
from dualwatch.state.snapshot import Snapshot

MOST_OF_IT = 0.6
"""Share of the growth that names one part of the tree."""

IN_WORKERS = (
    "The workers grow. Where the data set holds its annotations in lists of Python objects, each "
    "worker copies them page by page as it reads them: hold them in one array. Remove caches of "
    "samples from the data set and its transforms; use fewer workers; without persistent workers "
    "the memory is given back after each pass."
)
IN_MAIN = (
    "The main process grows: something of every iteration is kept. Keep numbers instead of tensors "
    "(loss.item(), .detach().cpu()) in lists of losses, results and outputs, and look at hooks and "
    "loggers that collect; tracemalloc names the line that allocates."
)
ON_DEVICE = (
    "Something of every iteration is kept on the device, often a loss or an output with its graph: "
    "keep loss.item() or .detach().cpu() instead. torch.cuda.memory._snapshot() names the line "
    "that allocates."
)
WITHIN_DAYS = 7 * 86400.0
"""Seconds within which memory must be used up where the end of the training is not known."""


@dataclass(frozen=True, slots=True)
class _Room:
    """What is left of a resource: bytes, of what, when that was seen."""

    left: int
    of: str
    wall: float


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Memory that will be used up if it grows on as it does, or that was."""
    died_of = {found.code for found in exit.died(s, limits)} if s.ended is not None else set()
    growth = measured(_without_deaths(s.memory.host) if s.ended is not None else s.memory.host)
    if growth is not None:
        yield from _judged(s, growth, _of_host(s), "DW501" in died_of, None)
    for index, trace in s.memory.gpus.items():
        growth = measured(trace, LEAST_OF_GPU)
        if growth is not None:
            yield from _judged(s, growth, _of_gpu(s, index), "DW401" in died_of, index)


def _judged(
    s: Snapshot, growth: MemoryGrowth, room: _Room | None, used_up: bool, gpu: int | None
) -> Iterator[Finding]:
    """A warning where the memory was or will be used up, a note where the training ends before."""
    left = None if room is None or growth.per_iteration <= 0 else room.left / growth.per_iteration
    in_pass, in_all = _remaining(s)
    levels_off = room is not None and growth.to_come is not None and growth.to_come < room.left
    if levels_off and not used_up:
        return
    if not used_up and not growth.into_next_pass:
        # What fills once, and no more than once in a pass, is a cache: does it fit?
        ends = in_pass if growth.into_next_pass is False else in_all
        if left is None or ends is None or left > ends:
            return
    evidence = [_headline(s, growth, gpu)]
    severity = Severity.WARNING
    if room is not None and left is not None and s.ended is None:
        seconds = room.left / growth.per_second
        text = f"{units.size(room.left)} of {room.of} are left: at this rate they are used up "
        text += f"{_when(s.wall + seconds, seconds)}, in {units.span(seconds)}"
        if in_all is not None and left > in_all:
            text += f"; the training ends before that, in {units.counted(in_all, 'iteration')}"
            severity = Severity.INFO
        elif in_all is None and seconds > WITHIN_DAYS:
            severity = Severity.INFO
        evidence.append(Evidence(text=text, source="host" if gpu is None else "NVML", wall=s.wall))
    elif room is not None:
        text = f"{units.size(room.left)} of {room.of} were left when it was last looked at"
        source = "host" if gpu is None else "NVML"
        evidence.append(Evidence(text=text, source=source, wall=room.wall))
    if s.ended is not None and not used_up:
        severity = Severity.INFO
    yield finding(
        "DW505",
        evidence,
        confidence=0.9,
        severity=severity,
        remedy=ON_DEVICE if gpu is not None else _remedy(growth),
        attempt=s.attempt,
    )


def _headline(s: Snapshot, growth: MemoryGrowth, gpu: int | None) -> Evidence:
    first, last = growth.first, growth.last
    who = f"memory of GPU {gpu}" if gpu is not None else f"memory of {_who(growth)}"
    each = "iteration"
    rate = growth.per_iteration
    if rate < units.MIB / 10:
        each, rate = "1,000 iterations", 1000 * rate
    text = (
        f"{who} grows by {_precisely(rate)} in each {each}: {units.size(first.total)} after "
        f"iteration {first.iteration}, {units.size(last.total)} after iteration {last.iteration} "
        f"({units.span(growth.seconds)} later)"
    )
    source = "processes" if gpu is None else "NVML"
    return Evidence(text=text, source=source, wall=last.wall)


def _who(growth: MemoryGrowth) -> str:
    part = {"main": " (mostly its main process)", "workers": " (mostly its loader workers)"}
    return f"the training{part.get(_grown_part(growth), '')}"


def _grown_part(growth: MemoryGrowth) -> str:
    """The part of the tree that most of the growth is in, "" where none is."""
    for part in ("main", "workers"):
        more = getattr(growth.last, part) - getattr(growth.first, part)
        if more >= MOST_OF_IT * growth.rise:
            return part
    return ""


def _remedy(growth: MemoryGrowth) -> str:
    part = _grown_part(growth)
    return {"main": IN_MAIN, "workers": IN_WORKERS}.get(part, f"{IN_MAIN} {IN_WORKERS}")


def _precisely(rate: float) -> str:
    return f"{rate / units.MIB:.3g} MiB"


def _when(wall: float, seconds: float) -> str:
    """The hour, with its date where it is not within a day."""
    return (
        f"at about {units.clock(wall)[:16]}"
        if seconds > 43200
        else (f"at about {units.time_of_day(wall)[:5]}")
    )


def _of_host(s: Snapshot) -> _Room | None:
    """What the training may still use: of its group, or of the machine where that is less."""
    host = s.host
    if host is None:
        return None
    rooms = []
    if host.memory_available is not None:
        rooms.append(_Room(host.memory_available, "the machine's memory", host.wall))
    if host.cgroup_limit and host.cgroup_used is not None:
        left = max(0, host.cgroup_limit - host.cgroup_used)
        rooms.append(_Room(left, f"the memory of {host.container or 'this job'}", host.wall))
    return min(rooms, key=lambda room: room.left, default=None)


def _of_gpu(s: Snapshot, index: int) -> _Room | None:
    for gpu in s.gpus.gpus if s.gpus is not None else ():
        if gpu.index == index and gpu.total is not None and gpu.used is not None and s.gpus:
            return _Room(max(0, gpu.total - gpu.used), f"GPU {index}", s.gpus.wall)
    return None


def _remaining(s: Snapshot) -> tuple[int | None, int | None]:
    """Iterations left in this pass over the data, and in all; None where not known."""
    pulse, line = s.slowest, s.last_train
    if pulse is not None:
        in_pass = max(0, pulse.batches - pulse.batch) if pulse.batches else None
        in_all = pulse.max_iterations - pulse.iteration if pulse.max_iterations else None
        return in_pass, None if in_all is None else max(0, in_all)
    if line is None or not line.total:
        return None, None
    in_pass = max(0, line.total - line.iteration)
    epochs, iterations = s.goal
    if line.epoch is None:
        return None, None if iterations is None else max(0, iterations - line.iteration)
    return in_pass, None if epochs is None else in_pass + line.total * max(0, epochs - line.epoch)


def _without_deaths(trace: MemoryTrace) -> MemoryTrace:
    """The trace without samples at its end in which processes were dying."""
    points = trace.all
    most = max((point.processes for point in points), default=0)
    while points and points[-1].processes < most:
        points = points[:-1]
    return MemoryTrace(points, newest=points[-1] if points else None)
