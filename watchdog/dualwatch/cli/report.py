"""``dualwatch report``: one self-contained HTML page of a run, or of several over each other."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def report(
    targets: Annotated[
        list[Path] | None,
        typer.Argument(metavar="WORK_DIR | LOG ...", help="Default: the newest in ./work_dirs."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The page. Default: WORK_DIR/dualwatch/report.html, for several runs or a bare "
            "log ./dualwatch-report.html.",
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write all metrics as a table, too."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Tell of it as one JSON document.")
    ] = False,
) -> None:
    """Write one HTML page on a run: what happened, curves, timeline, processes, findings.

    The page is one file that loads nothing. Several runs are laid over each other on the same axes.

    \b
    Examples:
      dualwatch report
      dualwatch report work_dirs/my_run --csv my_run.csv
      dualwatch report work_dirs/before work_dirs/after --output compared.html
      dualwatch report 20261123_062046.log
    """
    from dualwatch.core.settings import resolve
    from dualwatch.core.text import clean
    from dualwatch.diagnose import report_command

    told = report_command.report(targets or [], resolve({}), output=output, table=table)
    if as_json:
        sys.stdout.write(json.dumps(told.document, indent=1) + "\n")
        return
    for run in told.document["runs"]:
        lead = f"{run['label']}: " if len(told.document["runs"]) > 1 else ""
        sys.stderr.write(clean(f"{lead}{run['sentences'][0]}") + "\n")
    sys.stdout.write(f"{told.page}\n")
    if told.table is not None:
        sys.stdout.write(f"{told.table}\n")
