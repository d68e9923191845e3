"""The order of findings by cause, and their combined confidence. Pure.

The catalogue holds which code explains which. A finding that explains others comes before them,
and independent evidence raises confidence.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from dualwatch.events import Finding, Proof, Severity
from dualwatch.events.findings import kinds
from dualwatch.rules.catalog import BY_CODE

SUPPORT = 0.3
"""Share of the remaining doubt that one independent finding removes."""


def rank(findings: Sequence[Finding]) -> list[Finding]:
    """Likeliest cause first.

    A finding comes after those that explain it; then by severity, then by confidence. A symptom
    raises the confidence of its cause where it has a kind of evidence that the cause lacks.
    """
    supported = [_supported(finding, findings) for finding in findings]
    codes = {finding.code for finding in findings}
    severe = (finding for finding in findings if finding.severity >= Severity.ERROR)
    followed = {code for finding in severe for code in finding.follows}
    return sorted(
        supported,
        key=lambda f: (
            f.severity < Severity.ERROR and f.code not in followed,
            _depth(f.code, codes) + bool(codes.intersection(f.follows)),
            -f.severity.level,
            -f.confidence,
            f.code,
        ),
    )


def explained(finding: Finding, findings: Sequence[Finding]) -> bool:
    """Whether another of the findings is a cause of this one.

    A warning does not explain a death, unless the death was found to follow from it: resources can
    run short while a training dies of a bug.
    """
    if any(other.code in finding.follows for other in findings if other.severity > Severity.INFO):
        return True
    least = Severity.ERROR if finding.severity is Severity.CRITICAL else Severity.INFO
    return any(
        other.severity >= least and finding.code in BY_CODE[other.code].explains
        for other in findings
    )


_RESULT = ("DW203", "DW205", "DW207", "DW214", "DW215", "DW216")
"""Findings about what a training has become, be they warnings."""


def impairs(f: Finding) -> bool:
    """Whether a training that came to its end has suffered from a finding: exit code 1.

    A warning about its speed, its surroundings or the targets of a profile is a remark then.
    """
    if f.severity >= Severity.ERROR:
        return True
    of_result = f.code in _RESULT or f.proof is Proof.DIVERGED
    return f.severity is Severity.WARNING and of_result


def causes(findings: Sequence[Finding], *, finished: bool = False) -> list[Finding]:
    """The ranked findings that can have led to the outcome, without symptoms and notes.

    The outcome is a death or a stall, where there is one. A warning that explains neither is not a
    cause of it: it remains a finding.

    Args:
        finished: Whether the outcome is a training that came to its end: see ``impairs``.
    """
    ranked = rank(findings)
    deaths = [f for f in ranked if _ends_or_stalls(f)]
    outcome = {f.code for f in deaths} | {code for f in deaths for code in f.follows}
    return [
        f
        for f in ranked
        if f.severity > Severity.INFO
        and not explained(f, ranked)
        and (f.severity > Severity.WARNING or not outcome or _leads_to(f.code, outcome))
        and (impairs(f) or not finished)
    ]


def _ends_or_stalls(f: Finding) -> bool:
    is_stall = f.code.startswith("DW1") and f.severity is Severity.ERROR
    return is_stall or f.severity is Severity.CRITICAL


def _leads_to(code: str, outcome: Collection[str]) -> bool:
    """Whether a code is one of these or explains one, directly or through others."""
    if code in outcome:
        return True
    below = BY_CODE[code].explains
    return any(_leads_to(other, outcome) for other in below)


def _depth(code: str, present: set[str], seen: frozenset[str] = frozenset()) -> int:
    """Length of the longest chain of present causes above this code."""
    above = [
        other
        for other in present
        if other != code and other not in seen and code in BY_CODE[other].explains
    ]
    return max((1 + _depth(other, present, seen | {code}) for other in above), default=0)


def _supported(finding: Finding, findings: Sequence[Finding]) -> Finding:
    own = kinds(e.source for e in finding.evidence)
    doubt = 1.0 - finding.confidence
    for other in findings:
        if other.code not in BY_CODE[finding.code].explains:
            continue
        if kinds(e.source for e in other.evidence) - own:
            doubt *= 1.0 - SUPPORT * other.confidence
    return replace(finding, confidence=round(1.0 - doubt, 3))
