"""``--quiet``: what was found, what was decided, what came of it, and nothing else."""

from __future__ import annotations

from typing import TextIO

from dualwatch.events import CommandAnswered, Decided, Event, FindingRaised, Severity
from dualwatch.report.run import view
from dualwatch.report.run.plain import PlainView
from dualwatch.state.snapshot import Snapshot


class QuietView(PlainView):
    """Writes dated lines to stderr; the result goes to stdout as always."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._begun = False

    def event(self, event: Event, snapshot: Snapshot) -> None:
        """Findings that need looking at, decisions and what came of them."""
        self._begun = True
        is_news = isinstance(event, (Decided, CommandAnswered)) or (
            isinstance(event, FindingRaised) and event.finding.severity > Severity.INFO
        )
        if is_news and view.headline(event) is not None:
            super().event(event, snapshot)

    def tick(self, snapshot: Snapshot) -> None:
        """Nothing is said of what goes well."""

    def note(self, text: str) -> None:
        """What is said before anything happened is a greeting; later it is a trouble."""
        if self._begun:
            super().note(text)
