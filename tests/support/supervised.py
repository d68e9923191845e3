"""A training under the real command, and what is in its journal afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dualwatch.events import Event, FindingRaised, Severity, journal

DEADLINE = 240.0
"""Seconds after which a training is given up; nothing is judged by it."""


class SupervisedRun:
    """One training, from its start to its end.

    Args:
        folder: Its own; the work dir is ``wd`` in it.
        command: The words of dualwatch's command, its options included.
        words: What follows ``--``.
    """

    def __init__(self, folder: Path, command: Sequence[str], words: Sequence[str]) -> None:
        self.folder, self.own = folder, folder / "wd" / "dualwatch"
        options = ["--no-tensorboard", "--work-dir", str(folder / "wd"), "--stall-timeout", "20s"]
        done = subprocess.run(
            [sys.executable, "-m", "dualwatch", *command, *options, "--", *words],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            cwd=folder,
            check=False,
        )
        self.code, self.output = done.returncode, done.stdout + done.stderr
        self.events = list(journal.read(self.own / "journal.jsonl"))

    def of(self, kind: type[Event]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def attempts(self) -> list[dict[str, Any]]:
        document = json.loads((self.own / "summary.json").read_text(encoding="utf-8"))
        return list(document["attempts"])

    def codes(self) -> set[str]:
        """Findings of severity error or worse."""
        found = [event.finding for event in self.of(FindingRaised)]
        return {finding.code for finding in found if finding.severity >= Severity.ERROR}

    def errors_of_the_agent(self) -> str:
        path = self.own / "attempt-0" / "agent-error.txt"
        return path.read_text(encoding="utf-8") if path.exists() else ""
