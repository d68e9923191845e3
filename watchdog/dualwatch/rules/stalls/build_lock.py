"""DW121: the training waits for the lock of an extension build whose owner is gone."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from dualwatch.core.units import span
from dualwatch.events import BuildLock, Evidence, Finding, Severity
from dualwatch.rules.stalls import context, stall, wait_patterns
from dualwatch.rules.stalls.stall import StallKind
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """A lock file that the main process waits for, and that no process has open."""
    kind = stall.state(s, limits).kind
    if kind not in (StallKind.STALLED, StallKind.SUSPECT):
        return
    pid = context.main_pid(s)
    caller = wait_patterns.caller_of_build_lock(context.stack(s, pid))
    if caller is None or not context.sleeps(s, pid):
        return
    locks = [lock for lock in s.build_locks if lock.pid == pid]
    stale = [lock for lock in locks if not lock.holders]
    if locks and not stale:
        return  # Its owner is alive: whether that one works is another question.
    text = "the main process waits for the lock of an extension build"
    if len(stale) == 1:
        text += f", {stale[0].file}, which no visible process has open"
    evidence = [Evidence(text=f"{text}; called by {caller}", source=f"py-spy pid {pid}")]
    evidence += [_evidence(s, pid, lock) for lock in stale]
    if not stale:
        text = "the lock file was not found: its folder is not known or could not be read"
        evidence.append(Evidence(text=text, source="files", wall=s.wall))
    sure = 0.6
    if len(stale) == len(locks) == 1 and not stale[0].hidden:
        sure = 0.95 if _is_older(s, pid, stale[0]) else 0.9
    # A file without an owner shows it, however short the look was.
    unsure = kind is StallKind.SUSPECT and sure < 0.9
    yield stall.found(
        s,
        "DW121",
        evidence,
        min(sure, 0.5) if unsure else sure,
        remedy=_remedy(stale),
        severity=Severity.WARNING if unsure else None,
        pid=pid,
    )


def _is_older(s: Snapshot, pid: int, lock: BuildLock) -> bool:
    process = s.process.get(pid)
    return process is not None and lock.created < process.create_time


def _evidence(s: Snapshot, pid: int, lock: BuildLock) -> Evidence:
    text = f"{lock.file} was created {span(max(0.0, s.wall - lock.created))} ago"
    if _is_older(s, pid, lock):
        text += ", before this process started"
    text += f"; {lock.hidden}" if lock.hidden else "; no visible process has it open"
    return Evidence(text=text, source="files", wall=s.wall)


def _remedy(stale: list[BuildLock]) -> str | None:
    if len(stale) != 1:
        return None
    return (
        f"Make sure that no other training builds this extension, then: "
        f"rm {shlex.quote(stale[0].file)}. A running training does not continue by that where the "
        "build was not complete: restart it. dualwatch train deletes nothing and reruns once with "
        "a build folder of its own."
    )
