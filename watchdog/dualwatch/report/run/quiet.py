"""``--quiet``: findings, decisions and their results, nothing else."""

from __future__ import annotations

from typing import TextIO

from dualwatch.events import (
    CommandAnswered,
    Decided,
    Event,
    FindingRaised,
    RunStarted,
    Severity,
    WorkersChanged,
)
from dualwatch.report.run import view
from dualwatch.report.run.plain import PlainView
from dualwatch.state.snapshot import Snapshot


class QuietView(PlainView):
    """Writes dated lines to stderr; the result goes to stdout as always."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._started = False

    def event(self, event: Event, snapshot: Snapshot) -> None:
        """Writes findings from warning upwards, decisions and their results."""
        self._started = True
        is_news = isinstance(event, (Decided, CommandAnswered, WorkersChanged)) or (
            isinstance(event, FindingRaised) and event.finding.severity > Severity.INFO
        )
        if isinstance(event, RunStarted) or (is_news and view.headline(event) is not None):
            super().event(event, snapshot)

    def tick(self, snapshot: Snapshot) -> None:
        """Writes nothing while all is well."""

    def note(self, text: str) -> None:
        """Writes warnings; notes from before the first event are a greeting and are left out."""
        if self._started:
            super().note(text)
