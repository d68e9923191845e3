"""``dualwatch report``: the page, the table and the JSON document of some runs."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dualwatch.collectors import target as targets
from dualwatch.collectors.target import Target
from dualwatch.core import clock
from dualwatch.core.errors import DualwatchError, Exit
from dualwatch.core.files import write_atomically
from dualwatch.core.policies import CheckPolicy
from dualwatch.diagnose import run_report
from dualwatch.events.journal import SCHEMA_VERSION
from dualwatch.history.reported_run import ReportedRun
from dualwatch.report.terminal import csv

SEVERAL = Path("dualwatch-report.html")
MOST_RUNS = 24


@dataclass(slots=True)
class ReportOptions:
    """What was written, and its JSON document."""

    page: Path
    table: Path | None
    document: dict[str, Any]


def report(
    paths: Sequence[Path], policy: CheckPolicy, *, output: Path | None, table: Path | None
) -> ReportOptions:
    """Writes the page of some runs.

    Args:
        paths: Work dirs or logs; none of them means the newest run under ``./work_dirs``.
        output: The page; by default in the folder of the run, for several in the current one.
        table: The table of all metrics, None for none.

    Raises:
        DualwatchError: One of them does not exist (2), there is nothing to look at (3), or the
            page cannot be written (3).
    """
    chosen = [targets.resolve(path) for path in _once(paths)] or [targets.resolve(None)]
    runs = [run_report.reported(target, policy) for target in chosen]
    run_report.label(runs, chosen)
    place = output or _place(chosen)
    _write(place, _page(runs).encode("utf-8", "replace"))
    rows = None
    if table is not None:
        stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8-sig", errors="replace", newline="")
        rows = csv.write(stream, runs)
        stream.flush()
        _write(table, stream.buffer.getvalue())
    return ReportOptions(place, table, _document(runs, chosen, place, table, rows))


def _page(runs: Sequence[ReportedRun]) -> str:
    from dualwatch.report.html import page

    return page.render(runs, clock.now().wall)


def _once(paths: Sequence[Path]) -> list[Path]:
    """Each place once, in the order in which they were named."""
    found = list({os.path.abspath(path): path for path in paths}.values())
    if len(found) > MOST_RUNS:
        raise DualwatchError(
            f"{len(found)} runs do not fit on one page",
            why=f"more than {MOST_RUNS} curves in one picture cannot be distinguished",
            do="name fewer of them",
        )
    return found


def _place(chosen: Sequence[Target]) -> Path:
    (first, *others) = chosen
    if others or first.work_dir is None:
        return SEVERAL
    return first.work_dir / "dualwatch" / "report.html"


def _document(
    runs: Sequence[ReportedRun],
    chosen: Sequence[Target],
    page: Path,
    table: Path | None,
    rows: int | None,
) -> dict[str, Any]:
    from dualwatch.report.html import summary

    documents = [
        {
            "target": str(target.path or target.work_dir or target.log),
            "label": run.label,
            "supervised": run.supervised,
            "alive": run.alive,
            "outcome": summary.status(run)[0],
            "exit_code": run.ended.exit_code if run.ended is not None else None,
            "started": run.timeline.first,
            "ended": run.timeline.last,
            "attempts": len(run.attempts) if run.supervised else None,
            "stalls": len(run.timeline.stalls) if run.supervised else None,
            "lines": len(run.table),
            "causes": list(dict.fromkeys(cause.code for cause in run.causes)),
            "sentences": summary.sentences(run),
        }
        for run, target in zip(runs, chosen, strict=True)
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "path": str(page),
        "csv": str(table) if table is not None else None,
        "csv_rows": rows,
        "outcome": documents[0]["outcome"] if len(documents) == 1 else None,
        "runs": documents,
    }


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except OSError as error:
        raise DualwatchError(
            f"cannot write {path}",
            why=error.strerror or str(error),
            do="give another path with --output or --csv",
            exit_code=Exit.NOT_OBSERVED,
        ) from error
