"""DW101-DW105, DW115: whether a training stalled, is slow, or was stopped.

At the stall timeout there is always a finding, but only a tree that was idle, or that showed one
stack in every capture, is called stalled. What is proven (``proof``) does not wait for the timeout.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from dualwatch.core import units
from dualwatch.core.units import span
from dualwatch.events import Circumstance, Evidence, Finding, ProcessSample, Proof, Severity
from dualwatch.protocol import VALIDATION_PHASES, Phase
from dualwatch.rules.catalog import finding
from dualwatch.rules.stalls import context, proof, stack_patterns, wait_patterns
from dualwatch.rules.stalls.proof import Proven
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.activity import BUSY_CPU, STOPPED
from dualwatch.state.snapshot import Gaps, Snapshot

GRAIN = 0.2
"""Share of the timeout by which the time of the last activity is uncertain."""

# Where busy silence is normal for a long time, up to the busy timeout.
_PATIENT = frozenset(
    (
        Phase.STARTING,
        Phase.BUILDING,
        Phase.BUILDING_DATA,
        Phase.LOADING,
        Phase.METRICS,
        Phase.SAVING,
    )
)


class StallKind(enum.Enum):
    """``STOPPED``: by a signal or a debugger. ``UNREAD``: activity could not be read.
    ``SUSPECT``: idle now, for an unknown time. ``PROVEN``: stalled for ever, whatever the time."""

    MOVING = "moving"
    STOPPED = "stopped"
    UNREAD = "unread"
    SUSPECT = "suspect"
    STALLED = "stalled"
    PROVEN = "proven"
    SLOW = "slow"


class StallState(NamedTuple):
    """The verdict on the silence.

    Attributes:
        why: Evidence beside the time.
        proven: Of ``PROVEN``, what is proven.
    """

    kind: StallKind
    confidence: float = 0.0
    why: Evidence | None = None
    proven: Proven | None = None


def timeout(s: Snapshot, limits: Thresholds) -> float:
    """Seconds of silence that are a stall here: the setting, or longer where pauses are long."""
    return max(limits.stall_timeout, limits.patience * s.gaps.get(s.place, Gaps()).longest)


def state(s: Snapshot, limits: Thresholds) -> StallState:
    """Whether the training makes progress, and if not, whether it has stalled."""
    if s.started is None or s.ended is not None or context.phase(s) == Phase.FINISHED:
        return StallState(StallKind.MOVING)
    limit, silence = timeout(s, limits), context.silence(s)
    if silence < limit:
        return _proven(s, limits, limit)
    if stopped(s):
        return StallState(StallKind.STOPPED, 1.0)
    if s.activity is None or s.activity.cpu is None:
        return StallState(StallKind.UNREAD, 0.3)
    heard = context.has_heartbeat(s, limit)
    # Work is known only by sample: it may have ended right after the one before.
    if context.idle(s) >= limit - min(s.activity.seconds, limit * GRAIN):
        if not heard:
            seconds = f"{s.activity.seconds:.0f} s between two samples"
            text = f"idle during the {seconds}; the time of its last progress is not known"
            why = Evidence(text=text, source="processes", wall=s.wall)
            return StallState(StallKind.SUSPECT, 0.5, why)
        return StallState(StallKind.STALLED, 0.95 if s.stacks else 0.85)
    if not heard:
        return StallState(StallKind.SLOW, 0.5)
    if readings := _unchanged_readings(s, limits, silence):
        text = f"{readings} readings since the last progress show the same stack"
        return StallState(
            StallKind.STALLED, 0.75, Evidence(text=text, source="py-spy", wall=s.wall)
        )
    if _is_patient(s) and silence >= limits.busy_timeout:
        text = f"busy, no progress for longer than --busy-timeout ({span(limits.busy_timeout)})"
        return StallState(StallKind.STALLED, 0.6, Evidence(text=text, source="settings"))
    return StallState(StallKind.SLOW, 0.8)


def _proven(s: Snapshot, limits: Thresholds, limit: float) -> StallState:
    """The state before the timeout."""
    proven = proof.find(s, limits)
    if proven is None:
        return StallState(StallKind.MOVING)
    if proven.cause is proof.Cause.STOPPED:
        return StallState(StallKind.STOPPED, 1.0)
    text = (
        f"{proven.looks} looks over {proven.seconds:.0f} s show the same: all that could end the "
        f"wait waits itself, so the limit of {span(limit)} is not waited for"
    )
    why = Evidence(text=text, source="processes", wall=s.wall)
    return StallState(StallKind.PROVEN, 0.95, why, proven)


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """Findings about a training without progress at ``s.at``."""
    now = state(s, limits)
    if now.kind is StallKind.MOVING:
        return
    first = _silence(s, timeout(s, limits), limits)
    if now.kind is StallKind.STOPPED:
        yield _stopped(s, first)
        return
    evidence = [first, *([now.why] if now.why else []), *_where(s), *_work(s)]
    # Of several ranks it is one that hangs: those that hang at the same time are recovered one by
    # one, and the next one's stall is a new finding.
    pid = context.main_pid(s) if len(s.pulses) > 1 else None
    if now.kind is StallKind.SLOW:
        yield found(s, "DW104", evidence, now.confidence, remedy=_patience(s), pid=pid)
    else:
        is_sure = now.kind in (StallKind.STALLED, StallKind.PROVEN)
        severity = None if is_sure else Severity.WARNING
        yield found(
            s,
            _code(s),
            evidence,
            now.confidence,
            severity=severity,
            pid=pid,
            proof=Proof.ENDLESS if now.kind is StallKind.PROVEN else None,
        )


def found(
    s: Snapshot,
    code: str,
    evidence: list[Evidence],
    confidence: float,
    *,
    remedy: str | None = None,
    severity: Severity | None = None,
    pid: int | None = None,
    proof: Proof | None = None,
    circumstance: Circumstance | None = None,
) -> Finding:
    """A finding about this attempt, and about one of its processes where that is known."""
    assert s.started is not None
    made = finding(
        code,
        evidence,
        confidence=confidence,
        remedy=remedy,
        severity=severity,
        attempt=s.started.attempt,
        pid=s.started.pid if pid is None else pid,
        proof=proof,
        circumstance=circumstance,
    )
    return replace(made, rank=context.rank_of(s, made.pid or 0)) if len(s.pulses) > 1 else made


def about(finding: Finding, what: Circumstance) -> Finding:
    """The finding with what happened beyond its code."""
    return replace(finding, circumstance=what)


def stopped(s: Snapshot) -> list[ProcessSample]:
    """Processes of the tree that a signal or a debugger stopped."""
    return [p for p in s.processes.processes if p.status in STOPPED] if s.processes else []


def _code(s: Snapshot) -> str:
    where = context.phase(s)
    if where == Phase.SAVING:
        return "DW105"
    if where in VALIDATION_PHASES:
        return "DW103"
    return "DW101" if context.starting(s) else "DW102"


def _is_patient(s: Snapshot) -> bool:
    """Whether a rank is where busy silence is normal; the others may wait for it."""
    if context.starting(s) or not context.phases(s).isdisjoint(_PATIENT):
        return True
    pid = context.main_pid(s)
    threads = [one.frames for one in s.stacks[-1].stacks if one.pid == pid] if s.stacks else []
    return wait_patterns.works_elsewhere(context.stack(s, pid), threads)


def _unchanged_readings(s: Snapshot, limits: Thresholds, silence: float) -> int:
    """How many readings of a loop show that it makes no progress; 0 where they do not."""
    if _is_patient(s):
        return 0
    usual = _usual_pause(s)
    if usual is None or silence < limits.usual * usual:
        return 0
    return context.unchanged_readings(s)


def _usual_pause(s: Snapshot) -> float | None:
    """Seconds that a pause here usually takes; from the pace of the attempt where none was seen.

    That pace includes the start-up, so it errs on the patient side.
    """
    gaps = s.gaps.get(s.place)
    if gaps is not None and gaps.count:
        return gaps.mean
    if s.started is None or s.last_iteration is None or s.first_iteration is None:
        return None
    done = s.last_iteration - s.first_iteration + 1
    taken = s.progress_at - s.started.at
    return taken / done if done > 0 and taken > 0 else None


# --- DW115 ---------------------------------------------------------------------------------------


def _stopped(s: Snapshot, first: Evidence) -> Finding:
    at_rest = stopped(s)
    evidence = [first]
    for kind, words in (
        ("stopped", "stopped (state T)"),
        ("tracing-stop", "held by a debugger (state t)"),
    ):
        held = [f"pid {p.pid} ({p.role})" for p in at_rest if p.status == kind]
        if held:
            more = f" and {len(held) - 8} more" if len(held) > 8 else ""
            text = f"{words}: {', '.join(held[:8])}{more}"
            evidence.append(Evidence(text=text, source="processes", wall=s.wall))
    main = context.main_pid(s)
    if at_rest and all(p.pid != main for p in at_rest):
        text = f"the main process {main} runs and waits for it"
        evidence.append(Evidence(text=text, source="processes", wall=s.wall))
    pids = " ".join(str(p.pid) for p in at_rest if p.status == "stopped")
    traced = context.names([p.pid for p in at_rest if p.status != "stopped"])
    way = f"kill -CONT {pids}"
    if context.on_windows(s):
        way = f'"Resume process" in the Resource Monitor, process {pids}'
    remedy = [f"Continue it: {way}."] if pids else []
    remedy += [f"Let the debugger continue, or detach it from pid {traced}."] if traced else []
    remedy.append("dualwatch train continues a stopped process once, and never restarts it.")
    kind_of = Proof.STOPPED if pids else Proof.TRACED
    return found(s, "DW115", evidence, 1.0, remedy=" ".join(remedy), proof=kind_of)


# --- evidence ------------------------------------------------------------------------------------


def _silence(s: Snapshot, limit: float, limits: Thresholds) -> Evidence:
    kind = "first training iteration" if context.starting(s) else "progress"
    since = units.time_of_day(s.progress_wall)
    if not context.has_heartbeat(s, limit):
        text = f"running since {since} without a heartbeat or a log; last progress not known"
        return Evidence(text=text, source="processes", wall=s.progress_wall)
    text = f"no {kind} since {since}: {context.silence(s):.0f} s, limit {limit:.0f} s"
    if limit > limits.stall_timeout:
        text += " (it had long pauses before)"
    source = "heartbeat" if s.pulses else s.log
    return Evidence(text=text, source=source, wall=s.progress_wall)


def _where(s: Snapshot) -> Iterator[Evidence]:
    rank = context.slowest_rank(s)
    if rank is not None:
        pulse = s.pulses[rank]
        place = f"phase {pulse.phase}"
        if pulse.batches:
            place += f", {pulse.batch} of {pulse.batches} batches done"
        if s.last_iteration is not None:
            place += f", last iteration {s.last_iteration}"
        yield Evidence(text=place, source=f"heartbeat of rank {rank}", wall=s.progress_wall)
    if s.last_line:
        yield Evidence(text=f"last line: {s.last_line}", source=s.log)
    main = context.stack(s, context.main_pid(s))
    if main:
        inner = " < ".join(frame.function for frame in main[:4])
        where = "" if rank is not None else stack_patterns.phase_of(main)
        inner += f" (phase {where})" if where else ""
        yield Evidence(text=f"main process is in {inner}", source="py-spy", wall=s.wall)
    fetching = [
        worker
        for worker in context.worker_stacks(s, context.main_pid(s))
        if stack_patterns.fetches(worker.frames)
    ]
    if fetching:
        text = "; ".join(
            f"{w.pid} in {stack_patterns.dataset_place(w.frames)}" for w in fetching[:2]
        )
        more = f" and {len(fetching) - 2} more" if len(fetching) > 2 else ""
        yield Evidence(
            text=f"workers are loading a sample: {text}{more}", source="py-spy", wall=s.wall
        )


def _work(s: Snapshot) -> Iterator[Evidence]:
    if s.activity is None or s.processes is None:
        yield Evidence(text="CPU and I/O of the process tree could not be read", source="processes")
        return
    states = ", ".join(f"{p.role} {p.pid} {p.status}" for p in s.processes.processes[:9])
    cpu = "unknown" if s.activity.cpu is None else f"{s.activity.cpu * 100:.0f} % of a core"
    if (s.activity.cpu_wait or 0.0) > BUSY_CPU:
        cpu += f" and {s.activity.cpu_wait or 0.0:.1f} cores short of a free CPU"
    io = "" if s.activity.io is None else f", I/O {units.size(s.activity.io)}/s"
    yield Evidence(
        text=f"tree idle for {context.idle(s):.0f} s, CPU now {cpu}{io}: {states}",
        source="processes",
        wall=s.processes.wall,
    )


def _patience(s: Snapshot) -> str | None:
    """The remedy for a slow training, by its phase; None for the general one."""
    where = context.phase(s)
    if where == Phase.METRICS:
        return "None: an evaluation can be silent for hours. --busy-timeout sets the limit."
    if where == Phase.SAVING:
        return (
            "None if the disk makes progress: the checkpoint is written to slow storage. "
            "--busy-timeout sets the limit."
        )
    waits = s.pulses or stack_patterns.waits_for_batch(context.stack(s, context.main_pid(s)))
    if where in (Phase.WAITING, Phase.VAL_WAITING) and waits and not context.starting(s):
        return (
            "Loading is slow: use more workers, cached or smaller images, a faster disk. "
            "--stall-timeout sets when this is reported."
        )
    return None
