"""``dualwatch check``: the checklist of a configuration, a run or a log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualwatch.cli import options

if TYPE_CHECKING:
    from dualwatch.core.errors import Exit
    from dualwatch.core.settings import Settings


@options.from_settings("require", "port", "python")
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
            help="Profile of the checklist: macl, macl-demo, neutral or a file.",
            autocompletion=options.profiles,
        ),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(metavar="ID|STAGE", help="Run only these checks (repeatable)."),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="ID[=WHY]", help="Skip this check (repeatable)."),
    ] = None,
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Read every image and pair instead of a sample.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Repeat until nothing is pending or a check fails.")
    ] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="List the checks without running them.")
    ] = False,
    rehearse: Annotated[
        bool,
        typer.Option(
            "--rehearse",
            help="Run the first iterations, a validation and a checkpoint of CONFIG for real, in a "
            "scratch folder, and check what was seen.",
        ),
    ] = False,
    script: Annotated[
        Path | None, typer.Option(help="Training script of the rehearsal, as in `train`.")
    ] = None,
    cfg_options: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V", help="Override entries in the rehearsal (repeatable)."),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what every check observed.")
    ] = False,
    as_json: options.AsJson = False,
    junit_xml: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write JUnit XML, for a CI system.")
    ] = None,
    **flags: object,
) -> None:
    """Run the checklist: pass, fail, warn, skip (with the reason) or pending.

    \b
    Examples:
      dualwatch check configs/my_config.py
      dualwatch check configs/my_config.py --all-pairs
      dualwatch check configs/my_config.py --rehearse
      dualwatch check work_dirs/my_run --watch
      dualwatch check 20261123_062046.log --json
      dualwatch check --select preflight --ignore disk="a quota holds instead"
    """
    from dualwatch.core.errors import Exit
    from dualwatch.core.settings import resolve
    from dualwatch.diagnose import check_command

    settings = resolve(flags)
    if rehearse:
        code = _rehearsed(target, script, cfg_options, settings, as_json=as_json, verbose=verbose)
        sys.exit(int(code))
    if profile is not None:
        settings = settings.with_profile(profile)
    wanted = check_command.CheckOptions(
        path=target,
        select=tuple(select or ()),
        ignore=tuple(ignore or ()),
        all_pairs=all_pairs,
        watch=watch,
        junit_xml=junit_xml,
        as_json=as_json,
        verbose=verbose,
    )
    run = check_command.name_items if listed else check_command.run
    code = run(wanted, settings.check_policy())
    sys.exit(int(code)) if code is not Exit.OK else None


def _rehearsed(
    target: Path | None,
    script: Path | None,
    cfg_options: list[str] | None,
    settings: Settings,
    *,
    as_json: bool,
    verbose: bool,
) -> Exit:
    from dualwatch.cli.rehearsing import rehearse
    from dualwatch.core.errors import DualwatchError
    from dualwatch.frameworks.base import LaunchOptions

    if target is None or target.suffix != ".py":
        raise DualwatchError(
            "a rehearsal needs a configuration",
            why=f"the target is {target}" if target else "no target was given",
            do="dualwatch check CONFIG --rehearse",
        )
    options = LaunchOptions(config=target, script=script, cfg_options=tuple(cfg_options or ()))
    return rehearse(options, settings, as_json=as_json, verbose=verbose)
