"""DW119: the main process waits for a pool of processes that never answers."""

from __future__ import annotations

from collections.abc import Iterator

from dualwatch.events import Evidence, Finding, Frame, Proof, Severity, ThreadStack
from dualwatch.rules.stalls import context, stack_patterns, stall
from dualwatch.rules.stalls.proof import Cause
from dualwatch.rules.stalls.stall import StallKind
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

YOUNGER = 1.0
"""Seconds by which a child that replaces a dead one is younger than the oldest; a pool starts its
children within less."""


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """A pool that the main process waits for, while none of its processes works."""
    state = stall.state(s, limits)
    kind = state.kind
    is_proven = state.proven is not None and state.proven.cause is Cause.POOL
    if kind not in (StallKind.STALLED, StallKind.SUSPECT) and not is_proven:
        return
    pid = context.main_pid(s)
    main = context.stack(s, pid)
    caller = stack_patterns.caller_of_pool(main)
    if caller is None or not context.sleeps(s, pid):
        return
    children = _children(s)
    text = f"the main process waits for a pool of processes, called by {caller}"
    evidence = [Evidence(text=text, source=f"py-spy pid {pid}", wall=s.wall)]
    why = [*_replaced(s, children), *_blocked(s, children)]
    evidence += why
    idle = [c.pid for c in children if stack_patterns.waits_for_a_task(c.frames)]
    if idle:
        text = f"{len(idle)} of {len(children)} processes of the pool wait for a task: nothing is "
        text += "being computed, and nothing will come"
        evidence.append(Evidence(text=text, source="py-spy", wall=s.wall))
    sure = 0.95 if why or is_proven else 0.85 if idle else 0.7
    suspect = kind is StallKind.SUSPECT
    yield stall.found(
        s,
        "DW119",
        evidence,
        min(sure, 0.5) if suspect else sure,
        severity=Severity.WARNING if suspect else None,
        pid=pid,
        proof=Proof.ENDLESS if is_proven else None,
    )


def _children(s: Snapshot) -> list[ThreadStack]:
    """The main threads of the pool's processes in the newest capture."""
    captured = s.stacks[-1].stacks if s.stacks else ()
    found: dict[int, ThreadStack] = {}
    for stack in captured:
        if stack_patterns.is_pool_worker(stack.frames):
            found.setdefault(stack.pid, stack)
    return list(found.values())


def _replaced(s: Snapshot, children: list[ThreadStack]) -> list[Evidence]:
    """Processes that are younger than the others: the pool put them in the place of dead ones."""
    ages = {c.pid: s.process[c.pid].create_time for c in children if c.pid in s.process}
    oldest = min(ages.values(), default=0.0)
    young = [pid for pid, created in ages.items() if created > oldest + YOUNGER]
    if not young:
        return []
    later = max(ages[pid] for pid in young) - oldest
    text = (
        f"process {context.names(young)} of the pool was started {later:.0f} s after the others: "
        "it replaces one that died, whose task is lost"
    )
    return [Evidence(text=text, source="processes", wall=s.wall)]


def _blocked(s: Snapshot, children: list[ThreadStack]) -> list[Evidence]:
    """Processes that sleep inside their task."""
    evidence = []
    for child in children:
        own: tuple[Frame, ...] = stack_patterns.own_of_pool(child.frames)
        if stack_patterns.waits_for_a_task(child.frames) or not context.sleeps(s, child.pid):
            continue
        text = f"process {child.pid} of the pool is blocked in {stack_patterns.place(own[:3])}"
        evidence.append(Evidence(text=text, source=f"py-spy pid {child.pid}", wall=s.wall))
    return evidence[:4]
