"""The last words of a run: what happened, what was learnt, where the files lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dualwatch.core import units
from dualwatch.events import RunEnded, Severity
from dualwatch.history.attempt_record import AttemptRecord
from dualwatch.report.run import view
from dualwatch.report.terminal.changes import changes_table
from dualwatch.report.terminal.console import plain_text

_SHOWN_METRICS = ("loss_macl", "loss_cls", "loss_bbox", "loss", "grad_norm", "mAP")


def lines(records: Sequence[AttemptRecord], ended: RunEnded | None, folder: Path) -> Iterator[str]:
    """Lines for people, plain text."""
    if ended is not None:
        yield f"{ended.outcome}: {plain_text(ended.reason)}"
    for record in records:
        yield from _attempt(record)
    metrics = {name: m.value for r in records for name, m in r.snapshot.metrics.items()}
    shown = [
        f"{name} {units.value(value)}"
        for name, value in metrics.items()
        if name.split("/")[-1] in _SHOWN_METRICS
    ]
    if shown:
        yield plain_text("last values: " + ", ".join(shown))
    yield f"files: {folder}"
    yield "  summary.json, journal.jsonl, attempt-N/console.log, attempt-N/stacks/"
    codes = dict.fromkeys(
        f.code for r in records for f in r.findings if f.severity >= Severity.WARNING
    )
    if codes:
        yield f"what a code means: dualwatch explain {next(iter(codes))}"


def _attempt(record: AttemptRecord) -> Iterator[str]:
    s = record.snapshot
    assert s.started is not None
    how = "?"
    if s.ended is not None:
        how = s.ended.signal or f"exit code {s.ended.exit_code}"
    took = units.span((record.ended_wall or s.wall) - s.started.wall)
    reached = f", iterations {s.first_iteration} to {s.last_iteration}" if s.last_iteration else ""
    cured = f", {s.replaced} x cured in place" if s.replaced else ""
    lost = f", {record.lost_iterations} lost" if record.lost_iterations else ""
    yield f"attempt {s.started.attempt}: {took}, {how}{reached}{cured}{lost}"
    yield from (plain_text(line) for line in changes_table(s.started.changes, reasons=False))
    for finding in record.findings:
        if finding.severity >= Severity.WARNING:
            yield f"  {view.finding_line(finding)}"
