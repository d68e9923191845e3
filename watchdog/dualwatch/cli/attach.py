"""``dualwatch attach``: attaches to a running training."""

from __future__ import annotations

from typing import Annotated

import typer

from dualwatch.cli import options


@options.from_settings(*options.JUDGED, "after_cure", *options.REPORTED, on_stall="report")
def attach(
    target: Annotated[
        str | None,
        typer.Argument(metavar="PID | WORK_DIR", help="Default: the newest run in ./work_dirs."),
    ] = None,
    quiet: options.Quiet = False,
    as_json: options.JsonLines = False,
    **flags: object,
) -> None:
    """Attach to a running training that dualwatch did not start, or no longer supervises.

    The training is rerun only with --on-stall rerun. Ctrl-C detaches; the training keeps running.

    \b
    Examples:
      dualwatch attach work_dirs/my_run
      dualwatch attach work_dirs/my_run --on-stall rerun
      dualwatch attach 4242 --stall-timeout 2m
      dualwatch attach --notify mailto://me:secret@mail.example.org
    """
    from dualwatch.core import settings
    from dualwatch.supervisor.attach import attach as take_up

    in_force = settings.resolve(flags)
    raise typer.Exit(int(take_up(target, in_force, as_json=as_json, quiet=quiet)))
