"""DW123: the pass over the data is over, and a loader worker does not end."""

from __future__ import annotations

from collections.abc import Iterator

from dualwatch.events import Evidence, Finding, Severity
from dualwatch.rules.stalls import context, stack_patterns, stall, wait_patterns
from dualwatch.rules.stalls.stall import StallKind
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

SHOWN = 4


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """A main process that waits for the end of loader workers that are alive."""
    kind = stall.state(s, limits).kind
    if kind not in (StallKind.STALLED, StallKind.SUSPECT):
        return
    pid = context.main_pid(s)
    if not wait_patterns.joins_workers(context.stack(s, pid)) or not context.sleeps(s, pid):
        return
    alive = [p.pid for p in context.workers(s, pid) if p.status != "zombie"]
    if not alive:
        return
    some = "1 loader worker does" if len(alive) == 1 else f"{len(alive)} loader workers do"
    text = f"the pass over the data is over, the main process ends its workers, and {some} not end"
    evidence = [Evidence(text=text, source=f"py-spy pid {pid}", wall=s.wall)]
    for worker in alive[:SHOWN]:
        frames = context.stack(s, worker)
        place = stack_patterns.place(frames[:3]) or "its stack could not be read"
        text = f"worker {worker}: {place}; {context.state(s, worker)}"
        evidence.append(Evidence(text=text, source="processes", wall=s.wall))
    suspect = kind is StallKind.SUSPECT
    yield stall.found(
        s,
        "DW123",
        evidence,
        0.5 if suspect else 0.9,
        severity=Severity.WARNING if suspect else None,
        pid=pid,
    )
