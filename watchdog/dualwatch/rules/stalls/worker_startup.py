"""DW117: loader workers are still being started, which looks like a hang."""

from __future__ import annotations

from collections.abc import Iterator

from dualwatch.events import Evidence, Finding
from dualwatch.protocol import Phase
from dualwatch.rules.stalls import context, stack_patterns, stall
from dualwatch.rules.stalls.stall import StallKind
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

_BEFORE_A_BATCH = frozenset((Phase.STARTING, Phase.WAITING, Phase.VAL_WAITING))

SPREAD = 2.0
"""Seconds between the first and the last worker from which they start one after another."""


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Workers that are being started while the tree is busy; an idle tree is a stall."""
    kind = stall.state(s, limits).kind
    if kind not in (StallKind.SLOW, StallKind.STALLED) or context.phase(s) not in _BEFORE_A_BATCH:
        return
    if s.activity is None or s.activity.cpu is None or not s.activity.busy:
        return
    pid = context.main_pid(s)
    main = context.stack(s, pid)
    launches = stack_patterns.starts_a_worker(main)
    starting = _starting(s, pid)
    growing = _growing(s, pid)
    if not (launches or starting or growing):
        return
    workers = context.workers(s, pid)
    text = f"loader workers are still being started: {len(workers)}{_planned(s)} so far"
    evidence = [Evidence(text=text, source="processes", wall=s.wall)]
    if launches:
        state = (
            f"the main process sends the dataset to a new worker: {stack_patterns.place(main[:3])}"
        )
        evidence.append(Evidence(text=state, source=f"py-spy pid {pid}", wall=s.wall))
    for worker, place in starting[:4]:
        text = f"worker {worker} imports or unpickles: {place}"
        evidence.append(Evidence(text=text, source=f"py-spy pid {worker}", wall=s.wall))
    if growing:
        evidence.append(Evidence(text=growing, source="processes", wall=s.wall))
    sure = 0.9 if launches or starting else 0.6
    yield stall.found(s, "DW117", evidence, sure, remedy=_remedy(launches, starting), pid=pid)


def _starting(s: Snapshot, main: int) -> list[tuple[int, str]]:
    """Workers that were spawned and do not run the loader's loop yet, with their places."""
    pids = {process.pid for process in context.workers(s, main)}
    stacks = [(stack.pid, stack.frames) for stack in s.stacks[-1].stacks] if s.stacks else []
    return [
        (pid, stack_patterns.place(stack[:2]))
        for pid, stack in stacks
        if pid in pids and stack_patterns.is_starting(stack)
    ]


def _growing(s: Snapshot, main: int) -> str:
    """That workers started one after another since the last progress; "" where they did not."""
    silence = context.silence(s)
    # Both are wall times, which may jump: then they are too old, or in the future.
    ages = sorted(s.wall - worker.create_time for worker in context.workers(s, main))
    ages = [age for age in ages if 0 <= age < silence]
    if len(ages) < 2 or ages[-1] - ages[0] < SPREAD or ages[0] > silence / 2:
        return ""
    return (
        f"{len(ages)} workers started one after another, the first {ages[-1]:.0f} s ago and the "
        f"newest {ages[0]:.0f} s ago"
    )


def _planned(s: Snapshot) -> str:
    """ " of 8" where the configuration sets the number."""
    if s.config is None:
        return ""
    loader = next(iter(s.config.loaders.values()), None)  # The training loader comes first.
    count = loader.get("num_workers") if isinstance(loader, dict) else None
    return f" of {count}" if isinstance(count, int) and count > 0 else ""


def _remedy(launches: bool, starting: list[tuple[int, str]]) -> str | None:
    if launches:
        return (
            "None if it finishes. Faster: fewer workers, a dataset that holds arrays instead of "
            "many small objects, and persistent_workers=True, which starts them once."
        )
    if starting:
        return (
            "None if it finishes. Each worker imports all modules of the training: use fewer "
            "workers, a lighter import, or persistent_workers=True."
        )
    return None
