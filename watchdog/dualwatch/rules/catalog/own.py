"""DW0xx: dualwatch itself."""

from __future__ import annotations

from dualwatch.events import Severity
from dualwatch.rules.catalog.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW001",
        name="rule-failed",
        severity=Severity.WARNING,
        means="A rule of dualwatch raised an exception, so what it looks for was not checked.",
        matters="A finding may be missing.",
        remedy="Report it, with the journal.jsonl of the run.",
        example="DW001 rule-failed (certain)\n  rule metrics.find failed: KeyError: 'loss'",
    ),
)
