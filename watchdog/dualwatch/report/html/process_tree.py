"""The process tree at a stall, with the stack of every process."""

from __future__ import annotations

from dataclasses import dataclass

from dualwatch.core import units
from dualwatch.events import Frame, ProcessSample, ThreadStack
from dualwatch.history.reported_run import ReportedRun
from dualwatch.history.timeline import StallHistory
from dualwatch.report.diagnosis import Process
from dualwatch.report.terminal import processes
from dualwatch.rules.catalog import BY_CODE

MOST_PROCESSES = 48
MOST_FRAMES = 40
MOST_THREADS = 6
MOST_STACKS = 16


@dataclass(slots=True)
class ProcessRow:
    """A process of the tree; ``depth`` is its level below the first."""

    depth: int
    cells: list[str]
    where: str


@dataclass(slots=True)
class StackView:
    """The stack of a thread, innermost frame first."""

    title: str
    frames: list[str]
    left_out: int


@dataclass(slots=True)
class StallScene:
    """A stall."""

    title: str
    said: str
    rows: list[ProcessRow]
    stacks: list[StackView]
    more: int
    threads: int
    path: str


HEAD = ("process", "role", "state", "CPU", "I/O", "memory", "waits in", "stack")


def scenes(run: ReportedRun) -> list[StallScene]:
    """Those of which the processes are on record."""
    return [_scene(stall) for stall in run.timeline.stalls if stall.processes is not None]


def _scene(stall: StallHistory) -> StallScene:
    assert stall.processes is not None
    stacks = list(stall.stacks.stacks) if stall.stacks is not None else []
    by_pid: dict[int, list[ThreadStack]] = {}
    for one in stacks:
        by_pid.setdefault(one.pid, []).append(one)
    nodes = processes.tree(
        [_process(p, stall, by_pid.get(p.pid, [])) for p in stall.processes.processes]
    )
    roles = {p.pid: p.role for p in stall.processes.processes}
    looked = units.time_of_day(stall.processes.wall)
    caught = f", their stacks at {units.time_of_day(stall.stacks.wall)}" if stall.stacks else ""
    named = ", ".join(f"{code} {BY_CODE[code].name}" for code in stall.codes if code in BY_CODE)
    shown = [_stack(one, roles) for pid in roles for one in by_pid.get(pid, [])[:MOST_THREADS]]
    return StallScene(
        title=f"Attempt {stall.attempt}, {units.time_of_day(stall.raised)}: {named}",
        said=f"Processes at {looked}{caught}.",
        rows=[_row(node) for node in nodes[:MOST_PROCESSES]],
        stacks=shown[:MOST_STACKS],
        more=max(0, len(nodes) - MOST_PROCESSES),
        threads=max(0, len(stacks) - min(len(shown), MOST_STACKS)),
        path=(stall.stacks.path or "") if stall.stacks is not None else "",
    )


def _process(p: ProcessSample, stall: StallHistory, threads: list[ThreadStack]) -> Process:
    activity = stall.activity
    main = next((t for t in threads if t.thread == "MainThread"), threads[0] if threads else None)
    io = activity.io_by_pid.get(p.pid) if activity is not None else None
    return Process(
        pid=p.pid,
        ppid=p.ppid,
        role=p.role,
        status=p.status,
        cpu=activity.by_pid.get(p.pid) if activity is not None else None,
        io=round(io) if io is not None else None,
        rss=p.rss,
        wchan=p.wchan,
        stack=[_frame(frame) for frame in main.frames[:MOST_FRAMES]] if main else [],
    )


def _row(node: processes.Node) -> ProcessRow:
    *cells, wchan = processes.cells(node.process, role=20, wchan=60)
    where = processes.stack(node.process, frames=2) or "-"
    return ProcessRow(min(len(node.lasts), 8), [*cells, wchan or "-"], where)


def _stack(one: ThreadStack, roles: dict[int, str]) -> StackView:
    running = {True: ", running", False: ", idle", None: ""}[one.active]
    return StackView(
        title=f"{roles.get(one.pid, '?')} {one.pid}, {one.thread}{running}",
        frames=[_frame(frame) for frame in one.frames[:MOST_FRAMES]],
        left_out=max(0, len(one.frames) - MOST_FRAMES),
    )


def _frame(frame: Frame) -> str:
    sample = f" [sample {frame.sample}]" if frame.sample is not None else ""
    return f"{frame.function}{sample} ({frame.file}:{frame.line})"
