"""From what a user names to the page, the table and the document of ``dualwatch report``."""

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
from dualwatch.history.model import RunHistory
from dualwatch.report.terminal import csv

SEVERAL = Path("dualwatch-report.html")
MOST_RUNS = 24


@dataclass(slots=True)
class ReportOptions:
    """What was written, and the document that tells of it."""

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
    chapters = [run_report.chapter_of(target, policy) for target in chosen]
    run_report.label(chapters, chosen)
    place = output or _place(chosen)
    _write(place, _page(chapters).encode("utf-8", "replace"))
    rows = None
    if table is not None:
        stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8-sig", errors="replace", newline="")
        rows = csv.write(stream, chapters)
        stream.flush()
        _write(table, stream.buffer.getvalue())
    return ReportOptions(place, table, _document(chapters, chosen, place, table, rows))


def _page(chapters: Sequence[RunHistory]) -> str:
    from dualwatch.report.html import page

    return page.render(chapters, clock.now().wall)


def _once(paths: Sequence[Path]) -> list[Path]:
    """Each place once, in the order in which they were named."""
    found = list({os.path.abspath(path): path for path in paths}.values())
    if len(found) > MOST_RUNS:
        raise DualwatchError(
            f"{len(found)} runs do not fit on one page",
            why=f"more than {MOST_RUNS} curves in one picture cannot be told apart",
            do="name fewer of them",
        )
    return found


def _place(chosen: Sequence[Target]) -> Path:
    (first, *others) = chosen
    if others or first.work_dir is None:
        return SEVERAL
    return first.work_dir / "dualwatch" / "report.html"


def _document(
    chapters: Sequence[RunHistory],
    chosen: Sequence[Target],
    page: Path,
    table: Path | None,
    rows: int | None,
) -> dict[str, Any]:
    from dualwatch.report.html import summary

    runs = [
        {
            "target": str(target.path or target.work_dir or target.log),
            "label": chapter.label,
            "supervised": chapter.supervised,
            "alive": chapter.alive,
            "outcome": summary.status(chapter)[0],
            "exit_code": chapter.ended.exit_code if chapter.ended is not None else None,
            "started": chapter.first,
            "ended": chapter.last,
            "attempts": len(chapter.attempts) if chapter.supervised else None,
            "stalls": len(chapter.stalls) if chapter.supervised else None,
            "lines": len(chapter.table),
            "causes": list(dict.fromkeys(cause.code for cause in chapter.causes)),
            "sentences": summary.sentences(chapter),
        }
        for chapter, target in zip(chapters, chosen, strict=True)
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "path": str(page),
        "csv": str(table) if table is not None else None,
        "csv_rows": rows,
        "outcome": runs[0]["outcome"] if len(runs) == 1 else None,
        "runs": runs,
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
