"""DW125: a logger's writer no longer takes what the training hands it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dualwatch.events import Circumstance, Evidence, Finding, Frame, Severity
from dualwatch.rules.catalog import BY_CODE
from dualwatch.rules.stalls import context, stack_patterns, stall, wait_patterns
from dualwatch.rules.stalls.stall import StallKind
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

_PIPES = ("pipe_write", "tty_write")
"""Parts of the names of kernel functions that write to a pipe or a terminal."""


class _Blocked(NamedTuple):
    """Which logger blocks the main process, and what shows it."""

    what: Circumstance
    lines: list[Evidence]
    confidence: float


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """A main process that waits until a logger takes a record."""
    kind = stall.state(s, limits).kind
    if kind not in (StallKind.STALLED, StallKind.SUSPECT):
        return
    pid = context.main_pid(s)
    main = context.stack(s, pid)
    if not main or not context.sleeps(s, pid):
        return
    found = _events(s, pid, main) or _service(s, pid, main) or _console(s, pid, main)
    if found is None:
        return
    suspect = kind is StallKind.SUSPECT
    made = stall.found(
        s,
        "DW125",
        found.lines,
        min(found.confidence, 0.5) if suspect else found.confidence,
        remedy=BY_CODE["DW125"].remedies.get(found.what),
        severity=Severity.WARNING if suspect else None,
        pid=pid,
    )
    yield stall.about(made, found.what)


def _events(s: Snapshot, pid: int, main: tuple[Frame, ...]) -> _Blocked | None:
    """TensorBoard's queue of events, which its thread empties."""
    caller = wait_patterns.caller_of_event_queue(main)
    if caller is None:
        return None
    text = f"the main process waits until TensorBoard's writer takes its events: {caller}"
    evidence = [Evidence(text=text, source=f"py-spy pid {pid}", wall=s.wall)]
    threads = [one for one in s.stacks[-1].stacks if one.pid == pid][1:]
    writers = [one for one in threads if wait_patterns.writes_events(one.frames)]
    if not writers:
        text = "no thread that writes events is alive: it died, and the queue stays full"
        evidence.append(Evidence(text=text, source="processes", wall=s.wall))
        return _Blocked(Circumstance.WRITER_GONE, evidence, 0.9)
    place = stack_patterns.place(writers[0].frames[:3])
    text = f"the thread that writes events is in {place}: the disk does not take them"
    evidence.append(Evidence(text=text, source=f"py-spy pid {pid}", wall=s.wall))
    return _Blocked(Circumstance.WRITER_BLOCKED, evidence, 0.7)


def _service(s: Snapshot, pid: int, main: tuple[Frame, ...]) -> _Blocked | None:
    """The service process of wandb, to which records are sent."""
    caller = wait_patterns.caller_of_wandb(main)
    if caller is None:
        return None
    text = f"the main process waits for wandb: {caller}"
    evidence = [Evidence(text=text, source=f"py-spy pid {pid}", wall=s.wall)]
    services = [p for p in s.process.values() if "wandb" in p.command and p.pid != pid]
    alive = [p for p in services if p.status != "zombie"]
    if alive:
        text = f"its service {alive[0].pid} is there: {context.state(s, alive[0].pid)}"
    else:
        text = "no service process of wandb is in the process tree"
    evidence.append(Evidence(text=text, source="processes", wall=s.wall))
    return _Blocked(Circumstance.SERVICE_SILENT, evidence, 0.7)


def _console(s: Snapshot, pid: int, main: tuple[Frame, ...]) -> _Blocked | None:
    """A pipe or terminal without a reader, which print and logging write to."""
    process = s.process.get(pid)
    wchan = process.wchan if process is not None else ""
    if not any(part in wchan for part in _PIPES) or wait_patterns.sends_to_a_process(main):
        return None
    place = stack_patterns.place(main[:3])
    text = f"the main process writes to a pipe or terminal that is not read: {place}"
    evidence = [
        Evidence(text=text, source=f"py-spy pid {pid}", wall=s.wall),
        Evidence(text=f"it sleeps in {wchan}", source="processes", wall=s.wall),
    ]
    prints = wait_patterns.logs_to_the_console(main)
    # Without a frame of a logger it is a print, or a pipe to a program of the script's own.
    return _Blocked(Circumstance.CONSOLE_UNREAD, evidence, 0.9 if prints else 0.45)
