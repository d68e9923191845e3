"""How it ended (DW606 and the codes of ``errors.py``), and what could not be seen."""

from __future__ import annotations

from collections.abc import Iterator

from dualwatch.facts import ErrorSeen, Evidence, Finding
from dualwatch.judge import errors
from dualwatch.judge.codes import finding
from dualwatch.judge.limits import Limits
from dualwatch.judge.snapshot import Snapshot

_OF_LAUNCHERS = ("ChildFailedError", "SignalException", "ProcessRaisedException")


def died(s: Snapshot, limits: Limits) -> Iterator[Finding]:
    """The training ended by itself, and not well; its last error is quoted."""
    if s.ended is None or s.started is None or s.ended.exit_code == 0:
        return
    if s.ended.signal:
        how = f"the training was ended by {s.ended.signal}"
    else:
        how = f"the training ended with exit code {s.ended.exit_code}"
    evidence = [Evidence(text=how, source="process", wall=s.ended.wall)]
    code = "DW606"
    error = _cause(s.errors)
    if error is not None:
        code, headline = errors.recognise(error)
        headline += f" ({error.where})" if error.where else ""
        evidence.insert(0, Evidence(text=headline, source="console.log", wall=error.wall))
        evidence += [
            Evidence(text=line, source="console.log", wall=error.wall)
            for line in error.excerpt[-8:]
            if line.strip(" ^~")
        ]
    elif s.last_line:
        evidence.append(Evidence(text=f"last line: {s.last_line}", source="console.log"))
    yield finding(
        code,
        evidence,
        confidence=1.0 if error is not None else 0.6,
        attempt=s.started.attempt,
        pid=s.started.pid,
    )


def _cause(errors: tuple[ErrorSeen, ...]) -> ErrorSeen | None:
    """The error that ended the training: the last, but what a launcher says of its ranks is none.

    A line without an exception's name is evidence of something, not of a death.
    """
    named = [error for error in errors if error.exception]
    own = [error for error in named if not error.exception.endswith(_OF_LAUNCHERS)]
    return next(reversed(own or named), None)


def unseen(s: Snapshot, limits: Limits) -> Iterator[Finding]:
    """What could not be looked at: said, never counted as well."""
    attempt = s.started.attempt if s.started is not None else None
    gpu = s.not_observed.get("gpu")
    if gpu is not None:
        yield finding(
            "DW404",
            [Evidence(text=f"GPU memory is not observed: {gpu.why}", source="NVML", wall=gpu.wall)],
            confidence=1.0,
            attempt=attempt,
        )
    stacks = [fact for what, fact in s.not_observed.items() if what.startswith("stack")]
    if stacks:
        evidence = [
            Evidence(text=f"{fact.what}: {fact.why}", source="py-spy", wall=fact.wall)
            for fact in stacks
        ]
        yield finding("DW504", evidence, confidence=1.0, attempt=attempt)
