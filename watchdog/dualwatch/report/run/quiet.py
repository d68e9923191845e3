"""``--quiet``: what was found, what was decided, what came of it, and nothing else."""

from __future__ import annotations

from typing import TextIO

from dualwatch.events import Decided, Fact, FindingRaised, OrderAnswered, Severity
from dualwatch.report.run import view
from dualwatch.report.run.plain import PlainView
from dualwatch.state.snapshot import Snapshot


class QuietView(PlainView):
    """Writes dated lines to stderr; the result goes to stdout as always."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._begun = False

    def fact(self, fact: Fact, snapshot: Snapshot) -> None:
        """Findings that need looking at, decisions and what came of them."""
        self._begun = True
        is_news = isinstance(fact, (Decided, OrderAnswered)) or (
            isinstance(fact, FindingRaised) and fact.finding.severity > Severity.INFO
        )
        if is_news and view.headline(fact) is not None:
            super().fact(fact, snapshot)

    def tick(self, snapshot: Snapshot) -> None:
        """Nothing is said of what goes well."""

    def note(self, text: str) -> None:
        """What is said before anything happened is a greeting; later it is a trouble."""
        if self._begun:
            super().note(text)
