"""All metrics of runs as a CSV table: one row per logged line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TextIO

from dualwatch.core.text import clean
from dualwatch.history.reported_run import ReportedRun

FIXED = ("run", "attempt", "logged_at", "kind", "mode", "epoch", "iteration", "total")

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Characters with which a formula begins in a spreadsheet."""


def write(stream: TextIO, runs: Sequence[ReportedRun]) -> int:
    """Writes the table and returns how many rows it has.

    Args:
        stream: Opened with ``encoding="utf-8-sig"`` and ``newline=""``: by the mark at its
            beginning a spreadsheet knows the encoding.
    """
    names = list(dict.fromkeys(name for c in runs for name in c.table.columns))
    writer = csv.writer(stream)
    writer.writerow([*FIXED, *(_metric(name) for name in names)])
    count = 0
    for run in runs:
        for row in _rows(run, names):
            writer.writerow(row)
            count += 1
    return count


def text(value: str) -> str:
    """A text that no spreadsheet evaluates as a formula."""
    cleaned = clean(value, 500)
    return f"'{cleaned}" if value.startswith(_FORMULA) or cleaned.startswith(_FORMULA) else cleaned


def _metric(name: str) -> str:
    """The name of a metric's column, distinct from the fixed columns."""
    return f"metric {name}" if name in FIXED else text(name)


def _rows(run: ReportedRun, names: Sequence[str]) -> Iterator[list[object]]:
    table = run.table
    columns = [table.columns.get(name) for name in names]
    # Each column is read alongside the rows: both are in the order of the lines.
    at = [0] * len(columns)
    label = text(run.label)
    for row in range(len(table)):
        values: list[object] = []
        for number, column in enumerate(columns):
            k = at[number]
            if column is not None and k < len(column.rows) and column.rows[k] == row:
                values.append(column.values[k])
                at[number] = k + 1
            else:
                values.append("")
        yield [
            label,
            table.attempts[row] if run.supervised else "",
            _moment(table.walls[row]),
            "evaluation" if table.evaluations[row] else "line",
            text(table.modes[row]),
            table.epochs[row] or "",
            table.iterations[row],
            table.totals[row] or "",
            *values,
        ]


def _moment(wall: float) -> str:
    try:
        moment = datetime.fromtimestamp(wall).astimezone()
    except (OverflowError, OSError, ValueError):
        return ""
    return moment.isoformat(sep=" ", timespec="milliseconds")
