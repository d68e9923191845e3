"""Which fresh workers may be tried after a loader was replaced, and the record of what was.

One for all loaders of a process: they share their data set's code, and with it the cause.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from dualwatch.agent import files
from dualwatch.protocol import VALIDATION_PHASES, workers

if TYPE_CHECKING:
    from dualwatch.agent.heartbeat import HeartbeatWriter


class Probation:
    """The trials of one process.

    Args:
        folder: The attempt's folder.
        heart: This rank's heartbeat.

    Attributes:
        begun: Whether a loader was replaced in this process.
        since: When it was made: with the first loader, when the code is imported.
        relapses: Fresh workers that hung or died without having paid for it.
    """

    def __init__(self, folder: str, heart: HeartbeatWriter) -> None:
        self._folder, self._heart = folder, heart
        self._trials: list[int | None] = []
        self.begun = False
        self.since = time.time()
        self.relapses = 0

    def begin(self) -> None:
        """A loader was replaced: reads what its cause leaves open."""
        self.begun = True
        try:
            with open(os.path.join(self._folder, workers.TRIALS_FILE), encoding="utf-8") as stream:
                document: workers.TrialsDocument = json.load(stream)
            self._trials = list(document["trials"])
        except (OSError, ValueError):
            self._trials = []

    @property
    def reason_against(self) -> str:
        """Why no fresh workers may be tried any more, "" where some may."""
        if not self._trials:
            return workers.WorkersReason.ASKED
        return workers.WorkersReason.USED_UP if self.relapses >= len(self._trials) else ""

    def count(self, configured: int) -> int:
        """Workers of the next trial of a loader that is configured with some."""
        limit = self._trials[self.relapses]
        return configured if limit is None else min(limit, configured)

    def note(
        self,
        step: str,
        reason: str,
        *,
        detail: str = "",
        count: int = 0,
        before_s: float | None = None,
        without_s: float | None = None,
        fresh_s: float | None = None,
        waiting: float | None = None,
    ) -> None:
        """Records a step."""
        heart = self._heart
        line: workers.StepDocument = {
            "rank": heart.rank,
            "iteration": heart.iteration,
            "validation": heart.phase in VALIDATION_PHASES,
            "step": step,
            "reason": reason,
            "detail": detail[:300],
            "workers": count,
            "before_s": before_s,
            "without_s": without_s,
            "fresh_s": fresh_s,
            "waiting": waiting,
            "relapses": self.relapses,
        }
        try:
            files.append(os.path.join(self._folder, workers.steps_file(heart.rank)), line)
        except OSError:
            files.note_error("recording fresh workers")
