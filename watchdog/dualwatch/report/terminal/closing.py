"""The closing of a run: attempts, last values, where the files are; the result comes last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dualwatch.core import shell, units
from dualwatch.events import RunEnded, Severity
from dualwatch.history.run import AttemptHistory
from dualwatch.report.run import view
from dualwatch.report.terminal.changes import changes_table
from dualwatch.report.terminal.console import plain_text

MOST_METRICS = 8
WIDTH = 80


def lines(
    records: Sequence[AttemptHistory],
    ended: RunEnded | None,
    folder: Path,
    *,
    resume: Sequence[str] = (),
    resume_call: str = "",
) -> Iterator[str]:
    """Lines for people, plain text.

    Args:
        folder: ``WORK_DIR/dualwatch``.
        resume: Words of the command that resumes the run; empty where there is none.
        resume_call: What the training's script calls to resume; "" where a command resumes it.
    """
    for record in records:
        yield from _attempt(record)
    metrics = {name: m.value for r in records for name, m in r.snapshot.metrics.items()}
    shown = [f"{n} {units.value(v)}" for n, v in metrics.items() if _is_shown(n)]
    if shown:
        yield plain_text("last values: " + ", ".join(shown[:MOST_METRICS]))
    yield f"files: {folder}"
    yield "  summary.json, journal.jsonl, attempt-N/console.log, attempt-N/stacks/"
    codes = dict.fromkeys(
        f.code for r in records for f in r.ranked if f.severity >= Severity.WARNING
    )
    if codes:
        more = view.more_lines(str(folder.parent), next(iter(codes)), WIDTH)
        yield from (line.removeprefix("  ") for line in more)
    if ended is not None:
        yield f"{ended.outcome}: {plain_text(ended.reason)}"
    if resume:
        yield f"resume: {plain_text(shell.join(resume))}"
    elif resume_call:
        yield f"resume, in the script: {plain_text(resume_call)}"


def _is_shown(name: str) -> bool:
    last = name.split("/")[-1]
    return last.startswith("loss") or last == "grad_norm" or "mAP" in last


def _attempt(record: AttemptHistory) -> Iterator[str]:
    s = record.snapshot
    assert s.started is not None
    how = "?"
    if s.ended is not None:
        how = s.ended.signal or units.exit_code(s.ended.exit_code)
    took = units.span((record.ended_wall or s.wall) - s.started.wall)
    reached = f", iterations {s.first_iteration} to {s.last_iteration}" if s.last_iteration else ""
    replaced = f", loader replaced {_times(s.replaced)}" if s.replaced else ""
    lost = f", {record.lost_iterations} iterations lost" if record.lost_iterations else ""
    yield f"attempt {s.started.attempt}: {took}, {how}{reached}{replaced}{lost}"
    yield from (plain_text(line) for line in changes_table(s.started.changes, reasons=False))
    for finding in record.ranked:
        if finding.severity >= Severity.WARNING:
            yield f"  {view.finding_line(finding)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
