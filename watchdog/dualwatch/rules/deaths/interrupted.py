"""DW121, DW122, DW123, DW125: a wait that Ctrl-C ended, by its traceback alone. Pure.

Possible causes, no more: the wait may have been short, and the work of another process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dualwatch.events import ErrorSeen, Evidence, Finding, Frame, Severity
from dualwatch.rules.catalog import finding
from dualwatch.rules.deaths import place
from dualwatch.rules.stalls import stack_patterns, wait_patterns
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

POSSIBLE = 0.4


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """What the main process waited for when it was interrupted."""
    error = next((one for one in reversed(s.errors) if one.exception == "KeyboardInterrupt"), None)
    if error is None or error.worker is not None or _went_on(s, error):
        return
    frames = place.frames_of(error)
    known = _wait(frames)
    if known is None:
        return
    code, what = known
    text = f"it was interrupted while it waited for {what}: {stack_patterns.place(frames[:3])}"
    evidence = [Evidence(text=text, source=s.log, wall=error.wall)]
    yield finding(code, evidence, confidence=POSSIBLE, severity=Severity.WARNING, attempt=s.attempt)


def _went_on(s: Snapshot, error: ErrorSeen) -> bool:
    moved = [line for line in (s.last_train, s.last_evaluation) if line is not None]
    return any(line.at > error.at for line in moved)


def _wait(frames: Sequence[Frame]) -> tuple[str, str] | None:
    """Code and words of a wait, None where it is none of these."""
    caller = wait_patterns.caller_of_build_lock(frames)
    if caller is not None:
        return "DW121", f"the lock of an extension build, called by {caller}"
    if wait_patterns.caller_of_download(frames) is not None:
        return "DW122", "data of a download"
    if wait_patterns.joins_workers(frames):
        return "DW123", "the end of its loader workers"
    if wait_patterns.caller_of_event_queue(frames) or wait_patterns.caller_of_wandb(frames):
        return "DW125", "a logger"
    return None
