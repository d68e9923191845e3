"""The registry of finding codes: what each means, why it matters, what to do.

Literal tuples, one family a module, so that `dualwatch explain`, the pages under ``docs/`` and the
tests read the same words. A code, once published, keeps its meaning.
"""

from __future__ import annotations

from dualwatch.events import Circumstance, Evidence, Finding, Proof, Severity
from dualwatch.rules.catalog import gpus, host, metrics, own, setup, stalls, tensorboard, workers
from dualwatch.rules.catalog.code import Code

__all__ = ["BY_CODE", "CODES", "Code", "finding"]

CODES: tuple[Code, ...] = (
    *own.CODES,
    *stalls.CODES,
    *metrics.CODES,
    *workers.CODES,
    *gpus.CODES,
    *host.CODES,
    *setup.CODES,
    *tensorboard.CODES,
)

BY_CODE = {code.code: code for code in CODES}


def finding(
    code: str,
    evidence: list[Evidence],
    *,
    confidence: float,
    remedy: str | None = None,
    severity: Severity | None = None,
    attempt: int | None = None,
    pid: int | None = None,
    subject: str = "",
    proof: Proof | None = None,
    circumstance: Circumstance | None = None,
    follows: tuple[str, ...] = (),
) -> Finding:
    """A finding; name, severity and remedy default to those of its code.

    Args:
        circumstance: What happened; it chooses the remedy where the catalogue has one for it.
    """
    entry = BY_CODE[code]
    fitting = entry.remedies.get(circumstance, "") if circumstance is not None else ""
    return Finding(
        code=code,
        name=entry.name,
        severity=entry.severity if severity is None else severity,
        confidence=confidence,
        evidence=tuple(evidence),
        remedy=remedy or fitting or entry.remedy,
        attempt=attempt,
        pid=pid,
        subject=subject,
        proof=proof,
        circumstance=circumstance,
        follows=follows,
    )
