"""Findings of a death and the evidence that all of them share. Pure."""

from __future__ import annotations

import re

from dualwatch.core import units
from dualwatch.events import Circumstance, ErrorSeen, Evidence, Finding, Severity
from dualwatch.rules import finished
from dualwatch.rules.catalog import finding
from dualwatch.rules.deaths import error_patterns
from dualwatch.state.snapshot import Snapshot

# A shell, a container's init or torchrun passes a signal on as a number.
BY_SHELL = {
    128 + 1: "SIGHUP",
    128 + 2: "SIGINT",
    128 + 6: "SIGABRT",
    128 + 7: "SIGBUS",
    128 + 9: "SIGKILL",
    128 + 11: "SIGSEGV",
    128 + 15: "SIGTERM",
}

_PIDS = re.compile(r"\(pid(?:\(s\))? ([\d, ]+)\)")


def found(
    s: Snapshot,
    code: str,
    evidence: list[Evidence],
    confidence: float,
    severity: Severity | None = None,
    *,
    pid: int | None = None,
    remedy: str = "",
    circumstance: Circumstance | None = None,
    follows: tuple[str, ...] = (),
) -> Finding:
    """A finding about the attempt of a snapshot; see ``catalog.finding``."""
    return finding(
        code,
        evidence,
        confidence=confidence,
        remedy=remedy or None,
        severity=severity,
        attempt=s.attempt,
        pid=pid,
        circumstance=circumstance,
        follows=follows,
    )


def fatal(
    s: Snapshot,
    code: str,
    evidence: list[Evidence],
    confidence: float,
    severity: Severity = Severity.CRITICAL,
    *,
    circumstance: Circumstance | None = None,
    follows: tuple[str, ...] = (),
) -> Finding:
    """The finding of what ended a training, about its main process."""
    pid = s.started.pid if s.started is not None else None
    return found(
        s,
        code,
        evidence,
        confidence,
        severity,
        pid=pid or None,
        circumstance=circumstance,
        follows=follows,
    )


def how(s: Snapshot, error: ErrorSeen | None = None) -> list[Evidence]:
    """How the process ended; nothing where an error was printed and its exit was not seen."""
    assert s.ended is not None
    if error is not None and s.ended.exit_code is None and s.ended.signal is None:
        return []
    if s.ended.exit_code is None and s.ended.signal is None:
        text = "the training process is gone; its exit was not observed"
    elif s.ended.signal:
        text = f"the training was ended by {s.ended.signal}"
    else:
        text = f"the training ended with {units.exit_code(s.ended.exit_code)}"
        by_shell = BY_SHELL.get(s.ended.exit_code or 0)
        text += f" ({by_shell})" if by_shell else ""
    return [Evidence(text=text, source="process", wall=s.ended.wall)]


def is_after(s: Snapshot) -> bool:
    """Whether a training had finished before its process died, whose end was not seen."""
    return s.ended is not None and s.ended.exit_code is None and finished.is_finished(s)


def after(s: Snapshot) -> Evidence:
    """That an error came after the training: its result is not touched by it."""
    text = "the training had finished: this came after it, in the same process"
    return Evidence(text=text, source=s.log, wall=s.progress_wall)


def last_line(s: Snapshot) -> list[Evidence]:
    text = f"last line: {s.last_line}"
    return [Evidence(text=text, source=s.log, wall=s.progress_wall)] if s.last_line else []


def quote(s: Snapshot, text: str, wall: float | None) -> Evidence:
    return Evidence(text=text, source=s.log, wall=wall)


def pids_of(s: Snapshot, error: ErrorSeen | None) -> set[int]:
    """Known processes of the training, including those that an error names."""
    pids = {*s.process, *(pulse.pid for pulse in s.pulses.values())}
    if s.started is not None:
        pids.add(s.started.pid)
    for text in (error_patterns.text_of(error), *error.causes) if error is not None else ():
        for named in _PIDS.findall(text):
            pids |= {int(number) for number in named.replace(",", " ").split()}
    return pids - {0}
