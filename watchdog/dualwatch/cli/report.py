"""``dualwatch report``: one self-contained HTML page on one or several runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dualwatch.cli import options


def report(
    targets: Annotated[
        list[Path] | None,
        typer.Argument(metavar="WORK_DIR | LOG ...", help="Default: the newest in ./work_dirs."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of the page.  [default: WORK_DIR/dualwatch/report.html; for several runs "
            "or a log ./dualwatch-report.html]",
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Also write all metrics as a table."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Write one HTML page on a run: what happened, curves, timeline, processes, findings.

    The page is one self-contained file. Several runs share the same axes.

    \b
    Examples:
      dualwatch report
      dualwatch report work_dirs/my_run --csv my_run.csv
      dualwatch report work_dirs/before work_dirs/after --output compared.html
      dualwatch report 20261123_062046.log
    """
    from dualwatch.core.json_codec import printed
    from dualwatch.core.settings import resolve
    from dualwatch.core.text import clean
    from dualwatch.diagnose import report_command
    from dualwatch.report.terminal.console import write_out

    told = report_command.report(
        targets or [], resolve({}).check_policy(), output=output, table=table
    )
    if as_json:
        write_out(printed(told.document))
        return
    for run in told.document["runs"]:
        lead = f"{run['label']}: " if len(told.document["runs"]) > 1 else ""
        sys.stderr.write(clean(f"{lead}{run['sentences'][0]}") + "\n")
    write_out(f"{told.page}\n")
    if told.table is not None:
        write_out(f"{told.table}\n")
