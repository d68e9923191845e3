"""DW609: a training that dualwatch itself stopped, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from dualwatch.events import ErrorSeen, Evidence, Finding, Severity, StopKind, TrainingStopped
from dualwatch.protocol import Phase
from dualwatch.rules.catalog import finding
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import Snapshot

_DID = {
    StopKind.STALLED: "the training made no progress and was stopped by dualwatch",
    StopKind.UNWANTED: "the training was stopped by dualwatch",
    StopKind.INTERRUPTED: "the training was stopped by dualwatch, which was interrupted",
    StopKind.NO_EXIT: "the training had finished, and its process was ended by dualwatch",
}

_REMEDY = {
    StopKind.STALLED: "Correct the cause of the stall. Resume from the newest checkpoint "
    "(dualwatch train ... --resume).",
    StopKind.UNWANTED: "Correct what it was stopped for, or leave out the option that stops it. "
    "Resume from the newest checkpoint (dualwatch train ... --resume).",
    StopKind.INTERRUPTED: "Nothing to correct. Resume from the newest checkpoint "
    "(dualwatch train ... --resume).",
    StopKind.NO_EXIT: "None: the training is complete. Look for a thread or a child process that "
    "the script does not end.",
}


def find(s: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    """That dualwatch stopped the training, as it recorded it itself."""
    if not was_stopped(s):
        return
    stopped, ended = s.stopped, s.ended
    assert stopped is not None
    assert ended is not None
    text = f"{_DID[stopped.why]}: {stopped.reason}"
    how = f"exit code {ended.exit_code}" if ended.signal is None else ended.signal
    evidence = [
        Evidence(text=text, source="dualwatch", wall=stopped.wall),
        Evidence(text=f"its process ended with {how}", source="process", wall=ended.wall),
    ]
    saved = _saved(s, stopped)
    if saved:
        evidence.append(Evidence(text=saved, source="agent", wall=ended.wall))
    yield finding(
        "DW609",
        evidence,
        confidence=1.0,
        severity=_severity(stopped),
        remedy=_REMEDY[stopped.why],
        attempt=s.attempt,
        pid=s.started.pid if s.started is not None else None,
    )


def was_stopped(s: Snapshot) -> bool:
    """Whether the training ended because dualwatch stopped it."""
    return s.stopped is not None and s.ended is not None


def explains(s: Snapshot, error: ErrorSeen) -> bool:
    """Whether dualwatch's stop, and not an error on the console, explains the end.

    The training was running: what it printed before, it had survived, and what it printed after
    follows from the stop. Only a training that stalled may have stalled because of an error.
    """
    stopped = s.stopped
    if stopped is None or s.ended is None:
        return False
    if stopped.why is not StopKind.STALLED or error.at > stopped.at:
        return True
    return any(again.error.message == error.message and again.reports > 1 for again in s.repeats)


def _severity(stopped: TrainingStopped) -> Severity:
    """A stall has a cause of its own, beside which the stop is a note."""
    if stopped.why is StopKind.STALLED:
        return Severity.INFO
    if stopped.why is StopKind.NO_EXIT:
        return Severity.WARNING
    return Severity.CRITICAL if stopped.why is StopKind.UNWANTED else Severity.ERROR


def _saved(s: Snapshot, stopped: TrainingStopped) -> str:
    """The rescue checkpoint of the stop, "" where there is none."""
    if s.phase == Phase.FINISHED:
        return ""
    saved = [one for one in s.answers if one.path and one.at >= stopped.at]
    if not saved:
        return ""
    return f"rescue checkpoint at iteration {saved[-1].iteration}: {saved[-1].path}"
