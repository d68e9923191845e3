"""Which finding a remedy answers, and whether a rerun can help. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dualwatch.events import Finding, Proof, Severity
from dualwatch.events.findings import PROVEN
from dualwatch.remedies import table

STALLS = ("DW101", "DW102", "DW103", "DW105")
"""Stalls that are acted on. "Slow" (DW104) never is."""

_AT_START = ("DW602", "DW603", "DW604")
"""Faults of configuration or data from the start, which alone end no training."""


def of_stall(findings: Sequence[Finding]) -> Finding | None:
    """The likeliest proven cause, else the stall itself; None where there is no stall.

    Args:
        findings: Ranked, likeliest cause first.
    """
    grave = [f for f in findings if f.severity >= Severity.ERROR and is_stall(f)]
    proven = [f for f in grave if is_proven(f) and f.code not in STALLS]
    plain = [f for f in grave if f.code in STALLS]
    return next(iter([*proven, *plain, *grave]), None)


def of_death(findings: Sequence[Finding]) -> Finding | None:
    """The likeliest error that ended the training; None where none is proven."""
    errors = ("DW3", "DW4", "DW5", "DW6")
    return next(
        (f for f in findings if is_proven(f) and f.code[:3] in errors and f.code not in _AT_START),
        None,
    )


def is_stall(finding: Finding) -> bool:
    """Whether it is a stall, or the cause of one."""
    return finding.code in table.STALLED or finding.code in table.HOPELESS


def is_proven(finding: Finding) -> bool:
    """Whether severity and confidence suffice to answer this finding itself."""
    return finding.severity >= Severity.ERROR and finding.confidence >= PROVEN


def hopeless(cause: Finding) -> str | None:
    """Why no rerun can help against a cause, None where one may."""
    if not is_proven(cause):
        return None
    if cause.code == "DW112" and cause.proof is Proof.LOOPS:
        return table.LOOPS
    return table.HOPELESS.get(cause.code)


def named(cause: Finding) -> str:
    """Code and name, the beginning of a reason."""
    return f"{cause.code} {cause.name}"
