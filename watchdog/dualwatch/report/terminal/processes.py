"""A process tree in words: one below the other, with where each of them is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dualwatch.core import units
from dualwatch.report.diagnosis import Process
from dualwatch.report.terminal.console import one_line

PLUMBING = frozenset(
    ("selectors.py", "connection.py", "queues.py", "threading.py", "popen_fork.py", "context.py")
)
"""Files of the standard library in which a process waits, whatever it waits for."""

_FRAME = re.compile(r"(?P<function>.*) \((?P<file>.*):(?P<line>\d+)\)")


@dataclass(frozen=True, slots=True)
class Node:
    """A process in its tree.

    Attributes:
        lasts: Of each ancestor below the root, and of itself: whether it is the last child.
        has_children: Whether processes hang below it.
    """

    process: Process
    lasts: tuple[bool, ...]
    has_children: bool


def tree(processes: Sequence[Process]) -> list[Node]:
    """The processes, each below its parent; children of unseen parents are roots."""
    pids = {process.pid for process in processes}
    children: dict[int, list[Process]] = {}
    roots = []
    for process in processes:
        if process.ppid in pids and process.ppid != process.pid:
            children.setdefault(process.ppid, []).append(process)
        else:
            roots.append(process)
    nodes: list[Node] = []
    placed: set[int] = set()
    # A circle of parents has no root: the processes that are left over are one.
    for root in (*roots, *processes):
        waiting: list[tuple[Process, tuple[bool, ...]]] = [(root, ())]
        while waiting:
            process, lasts = waiting.pop()
            if id(process) in placed:
                continue
            placed.add(id(process))
            below = children.get(process.pid, [])
            nodes.append(Node(process, lasts, bool(below)))
            last = len(below) - 1
            waiting += [(c, (*lasts, k == last)) for k, c in enumerate(below)][::-1]
    return nodes


def share(cpu: float | None) -> str:
    """CPU as a share of a core."""
    return "?" if cpu is None else f"{cpu * 100:.0f} %"


def rate(per_second: float | None) -> str:
    """Bytes a second."""
    return "?" if per_second is None else f"{units.size(per_second)}/s"


def cells(process: Process, role: int = 12, wchan: int = 40) -> tuple[str, ...]:
    """Pid, role, state, CPU, I/O, memory and what it waits in, the texts so long at most."""
    return (
        str(process.pid),
        one_line(process.role, role) or "?",
        one_line(process.status, role) or "?",
        share(process.cpu),
        rate(process.io),
        units.size(process.rss),
        one_line(process.wchan, wchan),
    )


def stack(process: Process, frames: int = 4) -> str:
    """Where a process is, in one line: the innermost frames outside of the waiting itself.

    ``fetch (fetch.py:54) < _worker_loop (worker.py:252)``; "" where none was looked for.
    """
    split = [_frame(one_line(frame, 1000)) for frame in process.stack]
    informative = [shown for file, shown in split if file not in PLUMBING]
    shown = (informative or [shown for _, shown in split])[:frames]
    if not shown and process.role in ("main", "rank", "worker"):
        return "stack not observed"
    return " < ".join(shown)


def _frame(text: str) -> tuple[str, str]:
    """Base name of a frame's file, and the frame with that instead of the whole path."""
    match = _FRAME.fullmatch(text)
    if match is None:
        return "", text
    file = re.split(r"[\\/]", match["file"])[-1]
    return file, f"{match['function']} ({file}:{match['line']})"
