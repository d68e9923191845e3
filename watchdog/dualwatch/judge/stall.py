"""DW101-DW105, DW115: has it stalled, is it slow, or was it stopped?

Silence makes a suspect, evidence makes a verdict: at the stall timeout something is always said,
but only a tree that did nothing, or that stood in one stack all the time, is called stalled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from dualwatch.facts import Evidence, Finding, Frame, Severity, StacksCaptured
from dualwatch.judge.codes import finding
from dualwatch.judge.limits import Limits
from dualwatch.judge.snapshot import Gaps, Snapshot
from dualwatch.wire import VALIDATION_PHASES, Phase

Outline = tuple[tuple[str, str], ...]
"""(file, function) of each frame, innermost first."""

STILL_SAMPLES = 3
"""How many captures must show the same stack before a busy loop is called stalled."""

GRAIN = 0.2
"""Share of the timeout by which the time of the last work may be uncertain."""

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


def timeout(s: Snapshot, limits: Limits) -> float:
    """Seconds of silence that are a stall here: the setting, or longer where pauses are long."""
    return max(limits.stall_timeout, limits.patience * s.gaps.get(s.place, Gaps()).longest)


def judge(s: Snapshot, limits: Limits) -> Iterator[Finding]:
    """Findings about the silence at ``s.at``; none while the training moves."""
    if s.started is None or s.ended is not None or s.phase == Phase.FINISHED:
        return
    limit = timeout(s, limits)
    silence = s.silence(s.at)
    if silence < limit:
        return
    stopped = [p for p in s.processes.processes if p.status == "stopped"] if s.processes else []
    if stopped:
        pids = ", ".join(str(p.pid) for p in stopped)
        yield _finding(
            s,
            "DW115",
            [_silence(s, limit), Evidence(text=f"stopped: pid {pids}", source="processes")],
            1.0,
        )
        return
    evidence = [_silence(s, limit), *_where(s), *_work(s)]
    if s.activity is None or s.activity.cpu is None:
        yield _finding(s, _code(s), evidence, 0.3, Severity.WARNING)
    elif s.idle(s.at) >= limit - min(s.activity.seconds, limit * GRAIN):
        # Work is known only by sample: it may have ended right after the one before.
        yield _finding(s, _code(s), evidence, 0.95 if s.stacks else 0.85)
    elif _stands_still(s, limits, silence):
        text = f"{len(s.stacks)} captures over this silence show the same stack"
        evidence.insert(1, Evidence(text=text, source="py-spy", wall=s.wall))
        yield _finding(s, _code(s), evidence, 0.75)
    elif (s.starting or s.phase in _PATIENT) and silence >= limits.busy_timeout:
        text = f"busy, but silent for longer than the busy timeout ({limits.busy_timeout:.0f} s)"
        evidence.insert(1, Evidence(text=text, source="settings"))
        yield _finding(s, _code(s), evidence, 0.6)
    else:
        yield _finding(s, "DW104", evidence, 0.8)


def _finding(
    s: Snapshot,
    code: str,
    evidence: list[Evidence],
    confidence: float,
    severity: Severity | None = None,
) -> Finding:
    assert s.started is not None
    return finding(
        code,
        evidence,
        confidence=confidence,
        severity=severity,
        attempt=s.started.attempt,
        pid=s.started.pid,
    )


def _code(s: Snapshot) -> str:
    if s.phase == Phase.SAVING:
        return "DW105"
    if s.phase in VALIDATION_PHASES:
        return "DW103"
    return "DW101" if s.starting else "DW102"


def _stands_still(s: Snapshot, limits: Limits, silence: float) -> bool:
    if s.phase in _PATIENT or s.starting or len(s.stacks) < STILL_SAMPLES:
        return False
    usual = _usual_pause(s)
    if usual is None or silence < limits.usual * usual:
        return False
    # Of the whole tree: a main process that waits for a batch always stands in the same place,
    # also while its workers get on.
    seen = {_outlines(capture) for capture in s.stacks}
    return len(seen) == 1 and outline_of(s.stacks[-1], main_pid(s)) != ()


def _usual_pause(s: Snapshot) -> float | None:
    """Seconds that a pause here usually takes; from the pace of the attempt where none was seen.

    That pace has the start-up in it, so it errs on the patient side.
    """
    gaps = s.gaps.get(s.place)
    if gaps is not None and gaps.count:
        return gaps.mean
    if s.started is None or s.last_iteration is None or s.first_iteration is None:
        return None
    return (s.progress_at - s.started.at) / (s.last_iteration - s.first_iteration + 1)


def main_stack(s: Snapshot, capture: int = -1) -> tuple[Frame, ...]:
    """Frames of the training's main thread in one capture, innermost first; () if not seen."""
    if s.started is None or not s.stacks:
        return ()
    return _main_thread(s.stacks[capture], main_pid(s))


def main_pid(s: Snapshot) -> int:
    """The process that trains, which torchrun's agent is not."""
    assert s.started is not None
    return s.slowest.pid if s.slowest is not None else s.started.pid


def outline_of(capture: StacksCaptured, pid: int) -> Outline:
    """Where a process stands in a capture, without line numbers; () if it was not seen.

    Without them, because a loop that spins inside one function is still the same place.
    """
    return tuple((frame.file, frame.function) for frame in _main_thread(capture, pid))


def _outlines(capture: StacksCaptured) -> frozenset[tuple[int, Outline]]:
    pids = {stack.pid for stack in capture.stacks}
    return frozenset((pid, outline_of(capture, pid)) for pid in pids)


def place(frames: Sequence[Frame]) -> str:
    """Frames in words: ``acquire (locks.py:7) < read (files.py:20)``."""
    return " < ".join(f"{f.function} ({f.file.rsplit('/', 1)[-1]}:{f.line})" for f in frames)


def _main_thread(capture: StacksCaptured, pid: int) -> tuple[Frame, ...]:
    threads = [stack for stack in capture.stacks if stack.pid == pid]
    named = [stack for stack in threads if "MainThread" in stack.thread] or threads[:1]
    return named[0].frames if named else ()


def _silence(s: Snapshot, limit: float) -> Evidence:
    since = datetime.fromtimestamp(s.progress_wall).strftime("%H:%M:%S")
    kind = "first training iteration" if s.starting else "progress"
    return Evidence(
        text=f"no {kind} since {since}: {s.silence(s.at):.0f} s, limit {limit:.0f} s",
        source="heartbeat" if s.pulses else "console.log",
        wall=s.progress_wall,
    )


def _where(s: Snapshot) -> Iterator[Evidence]:
    pulse = s.slowest
    if pulse is not None:
        place = f"phase {pulse.phase}"
        if pulse.batches:
            place += f", {pulse.batch} of {pulse.batches} batches done"
        if s.last_iteration is not None:
            place += f", last iteration {s.last_iteration}"
        yield Evidence(text=place, source=f"heartbeat of rank {pulse.rank}", wall=s.progress_wall)
    if s.last_line:
        yield Evidence(text=f"last line: {s.last_line}", source="console.log")
    frames = main_stack(s)
    if frames:
        inner = " < ".join(frame.function for frame in frames[:4])
        yield Evidence(text=f"main process stands in {inner}", source="py-spy", wall=s.wall)


def _work(s: Snapshot) -> Iterator[Evidence]:
    if s.activity is None or s.processes is None:
        yield Evidence(text="CPU and I/O of the tree could not be observed", source="processes")
        return
    states = ", ".join(f"{p.role} {p.pid} {p.status}" for p in s.processes.processes[:9])
    cpu = "unknown" if s.activity.cpu is None else f"{s.activity.cpu * 100:.0f} % of a core"
    yield Evidence(
        text=f"tree idle for {s.idle(s.at):.0f} s, CPU now {cpu}: {states}",
        source="processes",
        wall=s.processes.wall,
    )
