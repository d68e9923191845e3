"""DW0xx: what dualwatch has to say of itself."""

from __future__ import annotations

from dualwatch.events import Severity
from dualwatch.rules.catalog.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW001",
        name="rule-failed",
        severity=Severity.WARNING,
        means="A rule of dualwatch raised an error, so what it looks for was not judged.",
        matters="Not judged is not well: another finding may be missing.",
        cure="Please report it with the journal.jsonl of the run.",
        example="DW001 rule-failed (almost certain)\n  rule metrics.judge failed: KeyError: 'loss'",
    ),
)
