"""``dualwatch diagnose``: collects evidence and names the likeliest cause."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dualwatch.cli import options


def diagnose(
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG | WORK_DIR | LOG", help="Default: the newest run in ./work_dirs."
        ),
    ] = None,
    pid: Annotated[
        int | None, typer.Option(help="A training process, or one of its workers.", min=1)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the bundle.", show_default="the run's dualwatch folder, else here"
        ),
    ] = None,
    bundle: Annotated[
        bool, typer.Option("--bundle/--no-bundle", help="Write a bundle to send to others.")
    ] = True,
    redact: Annotated[
        bool,
        typer.Option(
            "--redact/--no-redact", help="Replace names, paths and secrets in the bundle."
        ),
    ] = True,
    as_json: options.AsJson = False,
) -> None:
    """Collect the evidence of a training, running or ended, and name the likeliest cause.

    Nothing is changed, and a running training keeps running.

    \b
    Examples:
      dualwatch diagnose
      dualwatch diagnose work_dirs/my_run
      dualwatch diagnose --pid 4242
      dualwatch diagnose 20261123_062046.log --json
    """
    from dualwatch.core.errors import DualwatchError, Exit
    from dualwatch.core.json_codec import printed
    from dualwatch.core.settings import resolve
    from dualwatch.diagnose import diagnose_command
    from dualwatch.report.terminal.console import write_out

    if target is not None and pid is not None:
        raise DualwatchError(
            "a target and --pid exclude each other",
            why=f"both {target} and process {pid} were given",
            do="give one of them",
        )
    policy = resolve({}).check_policy()
    result = diagnose_command.diagnose(
        target, pid, policy, output=output, bundle=bundle, redact=redact
    )
    if as_json:
        write_out(printed(result.document.as_json()))
    else:
        diagnose_command.show(result)
    sys.exit(int(result.code)) if result.code is not Exit.OK else None
