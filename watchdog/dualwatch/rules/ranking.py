"""Causes compete: which findings explain others, and how sure several of them make us.

Pure. The registry says which code is the cause of which; a finding that explains others comes
before them, and what is seen from several sides is more certain than each of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from dualwatch.events import Finding, Severity
from dualwatch.events.findings import kinds
from dualwatch.rules.catalog import BY_CODE

SUPPORT = 0.3
"""Share of the remaining doubt that one independent finding takes away."""


def rank(findings: Sequence[Finding]) -> list[Finding]:
    """Likeliest cause first.

    What is explained by another finding comes after it; then the severe before the mild, and the
    certain before the doubtful. A symptom lends its cause confidence where it rests on a source
    that the cause does not quote.
    """
    supported = [_supported(finding, findings) for finding in findings]
    codes = {finding.code for finding in findings}
    return sorted(
        supported,
        key=lambda f: (
            f.severity < Severity.ERROR,
            _depth(f.code, codes),
            -f.severity.level,
            -f.confidence,
            f.code,
        ),
    )


def explained(finding: Finding, findings: Sequence[Finding]) -> bool:
    """Whether another of the findings is a cause of this one.

    A warning does not explain a death: much may run short while a training dies of its own fault.
    """
    least = Severity.ERROR if finding.severity is Severity.CRITICAL else Severity.INFO
    return any(
        other.severity >= least and finding.code in BY_CODE[other.code].explains
        for other in findings
    )


def causes(findings: Sequence[Finding]) -> list[Finding]:
    """The ranked findings without the symptoms of others among them and without mere notes."""
    ranked = rank(findings)
    return [f for f in ranked if f.severity > Severity.INFO and not explained(f, ranked)]


def _depth(code: str, present: set[str], seen: frozenset[str] = frozenset()) -> int:
    """How many causes stand before this code in the longest chain of those that are present."""
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
