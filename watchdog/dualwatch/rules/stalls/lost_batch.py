"""DW124: the main process waits for a batch that no worker works on."""

from __future__ import annotations

from collections.abc import Iterator

from dualwatch.events import Evidence, Finding, Proof
from dualwatch.rules.stalls import context, stack_patterns, stall
from dualwatch.rules.stalls.proof import Cause
from dualwatch.rules.stalls.stall import StallKind
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

SHOWN = 4


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """A stalled training whose loader workers are all there, and all wait for work."""
    state = stall.state(s, limits)
    is_proven = state.proven is not None and state.proven.cause is Cause.LOST_BATCH
    if state.kind is not StallKind.STALLED and not is_proven:
        return
    pid = context.main_pid(s)
    if not stack_patterns.waits_for_batch(context.stack(s, pid)):
        return
    stacks = {one.pid: one for one in context.worker_stacks(s, pid)}
    workers = [p.pid for p in context.workers(s, pid)]
    # Every worker must have been seen: one that is missing may be the one that works, or died.
    if not workers or not set(workers) <= set(stacks):
        return
    own = [stack_patterns.own(stacks[worker].frames) for worker in workers]
    if not all(any(frame.bare == "get" for frame in frames) for frames in own):
        return
    if any(stack_patterns.fetches(frames) for frames in own):
        return
    if not all(context.sleeps(s, worker) for worker in workers):
        return
    text = (
        f"the main process waits for a batch, and all {len(workers)} loader workers wait for work: "
        "the batch was lost on its way"
    )
    evidence = [Evidence(text=text, source="py-spy and processes", wall=s.wall)]
    for worker, frames in list(zip(workers, own, strict=True))[:SHOWN]:
        line = f"worker {worker}: {stack_patterns.place(frames[:2])}; {context.state(s, worker)}"
        evidence.append(Evidence(text=line, source=f"py-spy pid {worker}", wall=s.wall))
    if s.awaited:
        line = f"the missing batch: {', '.join(s.awaited[:8])}"
        evidence.append(Evidence(text=line, source="agent", wall=s.wall))
    proof = Proof.ENDLESS if is_proven else None
    yield stall.found(s, "DW124", evidence, 0.95 if is_proven else 0.85, pid=pid, proof=proof)
