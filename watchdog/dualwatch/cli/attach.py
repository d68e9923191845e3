"""``dualwatch attach``: watches a training that runs already."""

from __future__ import annotations

from typing import Annotated

import typer

from dualwatch.cli import common


def attach(
    target: Annotated[
        str | None,
        typer.Argument(metavar="PID | WORK_DIR", help="Default: the newest run in ./work_dirs."),
    ] = None,
    stall_timeout: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Silence that makes a suspect (5m).")
    ] = None,
    busy_timeout: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Busy silence that counts as a stall (30m)."),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC", help="Must be in the training lines; repeatable."),
    ] = None,
    on_stall: Annotated[
        str,
        typer.Option(
            metavar="rerun|stop|report",
            help="What a stall leads to.",
            autocompletion=common.one_of("rerun", "stop", "report"),
        ),
    ] = "report",
    on_missing: Annotated[
        str | None,
        typer.Option(
            metavar="report|stop",
            help="What a missing metric leads to (report).",
            autocompletion=common.one_of("report", "stop"),
        ),
    ] = None,
    on_fail: Annotated[
        str | None,
        typer.Option(
            metavar="report|stop",
            help="What a missed milestone leads to (report).",
            autocompletion=common.one_of("report", "stop"),
        ),
    ] = None,
    max_reruns: Annotated[
        str | None, typer.Option(metavar="N", help="Reruns before giving up (3).")
    ] = None,
    notify: common.Notify = None,
    metrics_port: common.MetricsPort = None,
    metrics_host: common.MetricsHost = None,
    quiet: common.Quiet = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Events as JSON Lines on stdout.")
    ] = False,
) -> None:
    """Watch a training that somebody else started, or whose dualwatch is gone.

    It is never rerun unless --on-stall rerun says so. Ctrl-C ends the watching, not the training.

    \b
    Examples:
      dualwatch attach work_dirs/my_run
      dualwatch attach work_dirs/my_run --on-stall rerun
      dualwatch attach 4242 --stall-timeout 2m
      dualwatch attach --notify mailto://me:secret@mail.example.org
    """
    from dualwatch.core import settings
    from dualwatch.supervisor.attach import attach as take_up

    in_force = settings.resolve(
        {
            "stall_timeout": stall_timeout,
            "busy_timeout": busy_timeout,
            "require": require,
            "on_stall": on_stall,
            "on_missing": on_missing,
            "on_fail": on_fail,
            "max_reruns": max_reruns,
            "notify": notify,
            "metrics_port": metrics_port,
            "metrics_host": metrics_host,
        }
    )
    raise typer.Exit(int(take_up(target, in_force, as_json=as_json, quiet=quiet)))
