"""``dualwatch run``: runs any command that trains with PyTorch as a supervised process."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from dualwatch.cli import options

# Words after `--` are the command; nothing in them is an option of ours.
CONTEXT: dict[str, object] = {"allow_interspersed_args": False}


@options.from_settings(
    *options.JUDGED, *options.REMEDIES, "tensorboard", "port", *options.REPORTED, "python"
)
def run(
    command: Annotated[
        list[str],
        typer.Argument(metavar="-- COMMAND...", help="The training's command, as it is."),
    ],
    work_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder for dualwatch's files.  [default: dualwatch-runs/NAME-TIME]",
            show_default=False,
        ),
    ] = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    as_json: options.JsonLines = False,
    **flags: object,
) -> None:
    """Run any command that trains with PyTorch under supervision.

    \b
    Examples:
      dualwatch run -- python train.py --epochs 3
      dualwatch run --require loss -- torchrun --nproc-per-node 2 train.py
      dualwatch run --work-dir runs/a -- python -m mypackage.train
      dualwatch run --dry-run -- python train.py
    """
    from dualwatch.core import settings
    from dualwatch.core.json_codec import printed
    from dualwatch.report.terminal import dryrun
    from dualwatch.report.terminal.console import write_out
    from dualwatch.supervisor import command_plan
    from dualwatch.supervisor.run import run as run_plan

    in_force = settings.resolve(flags)
    planned = command_plan.make(command, in_force, work_dir, datetime.now().astimezone())
    if dry_run:
        document = planned.document()
        write_out(printed(document) if as_json else dryrun.text(document))
        return
    raise typer.Exit(int(run_plan(planned, in_force.notify_policy(), as_json=as_json, quiet=quiet)))
