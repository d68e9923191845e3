"""What every view of a run implements, and the lines that several of them show of an event."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

from dualwatch.core import shell, units
from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    CommandAnswered,
    Decided,
    EvaluationLogged,
    Event,
    Finding,
    FindingRaised,
    IterationLogged,
    RunEnded,
    RunStarted,
    Severity,
    WorkersChanged,
)
from dualwatch.history.workers import workers_text
from dualwatch.protocol import AgentCommand
from dualwatch.report.terminal.changes import changes_table
from dualwatch.report.terminal.console import plain_text
from dualwatch.report.terminal.wrapping import clipped
from dualwatch.rules.catalog import BY_CODE
from dualwatch.state.snapshot import Snapshot

MOST_EVIDENCE = 2
"""Lines of evidence below a finding; ``dualwatch diagnose`` shows the rest."""


class View(Protocol):
    """A view of a run in progress. It only shows; a failing view must not harm the run."""

    def event(self, event: Event, snapshot: Snapshot) -> None:
        """Shows an event; the snapshot includes it."""

    def tick(self, snapshot: Snapshot) -> None:
        """Called as time passes."""

    def note(self, text: str) -> None:
        """Shows a message that is not an event of the training."""

    def close(self) -> None:
        """Called at the end of the run."""


class RunText:
    """Writes the events of one run as short lines, and keeps what was already shown."""

    def __init__(self) -> None:
        self.required: tuple[str, ...] = ()
        self._work_dir = ""
        self._shown: set[str] = set()
        self._open: set[str] = set()
        """Codes that were shown since the last decision."""

    def lines(self, event: Event, text: str | None, width: int) -> list[str]:
        """The headline of an event and at most a few lines below it; empty for no news.

        Args:
            text: The headline, as ``headline`` or ``iteration_line`` returns it.
            width: Columns that a line of evidence may take; longer ones are cut.
        """
        if isinstance(event, RunStarted):
            self._work_dir, self.required = event.work_dir, event.required_metrics
        if text is None or text in self._shown:
            return []
        if isinstance(event, FindingRaised):
            return [text, *self._below(event.finding, text, width)]
        if isinstance(event, Decided):
            self._open.clear()
            return [text, *map(plain_text, changes_table(event.changes, reasons=False))]
        return [text]

    def _below(self, finding: Finding, text: str, width: int) -> list[str]:
        if finding.severity is Severity.INFO:
            self._shown.add(text)  # The same in every attempt.
            return []
        explained = any(finding.code in BY_CODE[code].explains for code in self._open)
        self._open.add(finding.code)
        if explained:
            return []  # The evidence is with its cause.
        evidence = finding.evidence[1 : 1 + MOST_EVIDENCE]
        shown = [clipped(f"  - {plain_text(e.text)}", width) for e in evidence]
        return [*shown, *more_lines(self._work_dir, finding.code, width)]


def more_lines(work_dir: str, code: str, width: int) -> list[str]:
    """The commands that show more, on one line if they fit; never broken within a command."""
    diagnose = f"dualwatch diagnose {shell.quote(shortest_path(work_dir))}" if work_dir else ""
    commands = [plain_text(c) for c in (diagnose, f"dualwatch explain {code}") if c]
    line = "  more: " + "; ".join(commands)
    if len(line) <= width:
        return [line]
    return [f"{'        ' if number else '  more: '}{c}" for number, c in enumerate(commands)]


def shortest_path(path: str) -> str:
    """A path as it is, or relative to the current folder where that is shorter."""
    try:
        return min(os.path.relpath(path), path, key=len) if path else path
    except ValueError:  # Another drive.
        return path


def headline(event: Event) -> str | None:
    """An event in one line for people; None for events that change no state."""
    if isinstance(event, AttemptStarted):
        again = f", resumed from {event.resumed_from}" if event.resumed_from else ""
        return plain_text(f"attempt {event.attempt} started: pid {event.pid}{again}")
    if isinstance(event, AttemptEnded):
        how = event.signal or units.exit_code(event.exit_code)
        return plain_text(f"attempt {event.attempt} ended: {how}")
    if isinstance(event, FindingRaised):
        return finding_line(event.finding)
    if isinstance(event, Decided):
        would = f"; otherwise: {event.withheld_because}" if event.withheld else ""
        return plain_text(f"decision: {event.action}: {event.reason}{would}")
    if isinstance(event, CommandAnswered):
        return _answer_line(event)
    if isinstance(event, WorkersChanged):
        return plain_text(workers_text(event))
    if isinstance(event, EvaluationLogged):
        shown = [f"{k} {units.value(v)}" for k, v in event.metrics.items() if "time" not in k]
        epoch = f" epoch {event.epoch}" if event.epoch is not None else ""
        return plain_text(f"{event.mode}{epoch}: {', '.join(shown[:6])}")
    if isinstance(event, RunEnded):
        return plain_text(f"{event.outcome} (exit code {event.exit_code}): {event.reason}")
    return None


def _answer_line(event: CommandAnswered) -> str | None:
    at = f"at iteration {event.iteration}"
    if event.order == AgentCommand.REPLACE:
        done = f"loader replaced {at}: training continues without workers, no sample lost"
        return done if event.done else plain_text(f"the loader was not replaced: {event.why}")
    if event.order == AgentCommand.SAVE_TOGETHER and event.rank > 0 and event.done:
        return None  # Its part is in the checkpoint that rank 0 reports.
    if event.order in (AgentCommand.SAVE, AgentCommand.SAVE_TOGETHER):
        done = f"rescue checkpoint {at}: {event.path}"
        return plain_text(done if event.done else f"no rescue checkpoint: {event.why}")
    return None


def finding_line(finding: Finding) -> str:
    """``DW102 stalled-training (error, likely): ...``."""
    text = plain_text(finding.headline)
    return f"{finding.code} {finding.name} ({finding.severity.word}, {finding.certainty}): {text}"


def iteration_line(event: IterationLogged, required: Sequence[str] = ()) -> str:
    """``epoch 1, 50/200  loss_a 0.41  loss 0.9  eta 0:10:00``; required metrics first."""
    epoch = f"epoch {event.epoch}, " if event.epoch is not None else ""
    total = f"/{event.total}" if event.total else ""
    losses = losses_of(event, required)
    shown = "  ".join(f"{name} {units.value(value)}" for name, value in losses)
    left = f"  eta {units.eta(event.eta_s)}" if event.eta_s is not None else ""
    return plain_text(f"{epoch}{event.iteration}{total}  {shown}{left}")


def losses_of(event: IterationLogged, required: Sequence[str] = ()) -> list[tuple[str, float]]:
    """Losses, gradient norm and required metrics of a training line, the required ones first."""
    chosen = [
        (name, value)
        for name, value in event.metrics.items()
        if name in required or "loss" in name or name.endswith("grad_norm")
    ]
    return sorted(chosen, key=lambda item: (item[0] not in required, item[0] == "grad_norm"))
