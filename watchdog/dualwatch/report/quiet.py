"""``--quiet``: what was found, what was decided, what came of it, and nothing else."""

from __future__ import annotations

from dualwatch.facts import Decided, Fact, FindingRaised, OrderAnswered, Severity
from dualwatch.judge.snapshot import Snapshot
from dualwatch.report.plain import PlainView


class QuietView(PlainView):
    """Writes dated lines to stderr; the result goes to stdout as always."""

    def fact(self, fact: Fact, snapshot: Snapshot) -> None:
        """Findings that need looking at, decisions and their outcome."""
        is_news = isinstance(fact, (Decided, OrderAnswered)) or (
            isinstance(fact, FindingRaised) and fact.finding.severity > Severity.INFO
        )
        if is_news:
            super().fact(fact, snapshot)

    def tick(self, snapshot: Snapshot) -> None:
        """Nothing is said of what goes well."""
