"""The last words of a run: what happened, what was learnt, where the files lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dualwatch.events import RunEnded, Severity
from dualwatch.events.outcome import Outcome
from dualwatch.history.run import AttemptHistory
from dualwatch.report.run import view
from dualwatch.report.terminal import format
from dualwatch.report.terminal.changes import changes_table
from dualwatch.report.terminal.console import plain_text

_SHOWN_METRICS = ("loss_macl", "loss_cls", "loss_bbox", "loss", "grad_norm", "mAP")


def lines(
    records: Sequence[AttemptHistory],
    ended: RunEnded | None,
    folder: Path,
    *,
    resume_with: str = "",
) -> Iterator[str]:
    """Lines for people, plain text.

    Args:
        resume_with: The command that resumes the run after an interruption.
    """
    if ended is not None:
        yield f"{ended.outcome}: {plain_text(ended.reason)}"
    for record in records:
        yield from _attempt(record)
    metrics = {name: m.value for r in records for name, m in r.snapshot.metrics.items()}
    shown = [
        f"{name} {format.value(value)}"
        for name, value in metrics.items()
        if name.split("/")[-1] in _SHOWN_METRICS
    ]
    if shown:
        yield plain_text("last values: " + ", ".join(shown))
    yield f"files: {folder}"
    yield "  summary.json, journal.jsonl, attempt-N/console.log, attempt-N/stacks/"
    codes = dict.fromkeys(
        f.code for r in records for f in r.ranked if f.severity >= Severity.WARNING
    )
    if codes:
        yield f"what a code means: dualwatch explain {next(iter(codes))}"
    if resume_with and ended is not None and ended.outcome == Outcome.INTERRUPTED:
        yield f"resume with: {plain_text(resume_with)}"


def _attempt(record: AttemptHistory) -> Iterator[str]:
    s = record.snapshot
    assert s.started is not None
    how = "?"
    if s.ended is not None:
        how = s.ended.signal or f"exit code {s.ended.exit_code}"
    took = format.span((record.ended_wall or s.wall) - s.started.wall)
    reached = f", iterations {s.first_iteration} to {s.last_iteration}" if s.last_iteration else ""
    cured = f", {s.replaced} x cured in place" if s.replaced else ""
    lost = f", {record.lost_iterations} lost" if record.lost_iterations else ""
    yield f"attempt {s.started.attempt}: {took}, {how}{reached}{cured}{lost}"
    yield from (plain_text(line) for line in changes_table(s.started.changes, reasons=False))
    for finding in record.ranked:
        if finding.severity >= Severity.WARNING:
            yield f"  {view.finding_line(finding)}"
