"""``dualwatch check``: the checklist of a configuration, a run or a log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dualwatch.cli import common


def check(
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG | WORK_DIR | LOG", help="Default: the newest run in ./work_dirs."
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Checklist: macl, macl-demo, neutral or a file.",
            autocompletion=common.profiles,
        ),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC", help="Must be in the training lines; repeatable."),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(metavar="ID|STAGE", help="Judge only these; repeatable."),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="ID[=WHY]", help="Do not judge this one; repeatable."),
    ] = None,
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Look at every image and pair, not at a sample.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again until all is decided or one fails.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="Name the items and judge none.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what was observed of all.")
    ] = False,
    port: Annotated[
        str | None, typer.Option(metavar="PORT", help="Port of TensorBoard (6006).")
    ] = None,
    python: Annotated[
        str | None, typer.Option(help="Python of the training, which loads the configuration.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
    junit_xml: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write JUnit XML for a CI system as well.")
    ] = None,
) -> None:
    """Go through the checklist: pass, fail, warn, skip (with the reason) or pending.

    \b
    Examples:
      dualwatch check configs/my_config.py
      dualwatch check configs/my_config.py --all-pairs
      dualwatch check work_dirs/my_run --watch
      dualwatch check 20261123_062046.log --json
      dualwatch check --select preflight --ignore disk="a quota holds instead"
    """
    from dualwatch.core.errors import Exit
    from dualwatch.core.settings import resolve
    from dualwatch.diagnose import check_command

    settings = resolve({"require": require, "port": port, "python": python})
    if profile is not None:
        # What the settings change of a profile is changed of this one, too.
        table = {**settings.check, "profile": profile}
        settings = settings.with_value("check", table, "flag")
    order = check_command.CheckOptions(
        path=target,
        select=tuple(select or ()),
        ignore=tuple(ignore or ()),
        all_pairs=all_pairs,
        watch=watch,
        junit_xml=junit_xml,
        as_json=as_json,
        verbose=verbose,
    )
    code = (
        check_command.name_items(order, settings) if listed else check_command.run(order, settings)
    )
    sys.exit(int(code)) if code is not Exit.OK else None
