"""``dualwatch train``: runs the training as a supervised process."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dualwatch.cli import common

# What follows `--` goes to the training's script; the words before are ours.
CONTEXT: dict[str, Any] = {"allow_interspersed_args": True}

_REPEATED = "--cfg-options"


def join_lists(words: Sequence[str]) -> list[str]:
    """Makes ``--cfg-options A=1 B=2`` one option each, as MMDetection's users write it."""
    joined: list[str] = []
    collecting = False
    for index, word in enumerate(words):
        if word == "--":
            return [*joined, *words[index:]]
        is_pair = "=" in word and not word.startswith("-")
        if collecting and is_pair and joined[-1] != _REPEATED:
            joined.append(_REPEATED)
        elif not is_pair:
            collecting = word == _REPEATED
        if word.startswith(_REPEATED + "="):
            collecting = True
        joined.append(word)
    return joined


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Training configuration.")],
    extra: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- ARGS...]", help="Goes to the training's script untouched."),
    ] = None,
    work_dir: Annotated[Path | None, typer.Option(help="Where logs and checkpoints go.")] = None,
    script: Annotated[
        Path | None,
        typer.Option(help="Script, or module for python -m; default: tools/train.py, else ours."),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(help="Python that runs the training; default: the active environment's."),
    ] = None,
    cfg_options: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V ...", help="Override parts of the configuration."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
    amp: Annotated[bool, typer.Option("--amp", help="Automatic mixed precision.")] = False,
    stall_timeout: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Silence that makes a suspect (5m)."),
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
        str | None,
        typer.Option(
            metavar="rerun|stop|report",
            help="What a stall leads to (rerun).",
            autocompletion=common.one_of("rerun", "stop", "report"),
        ),
    ] = None,
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
        str | None,
        typer.Option(metavar="N", help="Reruns before giving up (3)."),
    ] = None,
    keep_effective_batch: Annotated[
        bool | None,
        typer.Option(
            "--keep-effective-batch/--no-keep-effective-batch",
            help="Accumulate gradients for a smaller batch (keep).",
        ),
    ] = None,
    min_batch: Annotated[
        str | None,
        typer.Option(metavar="N", help="Smallest batch tried (what the model's loss needs)."),
    ] = None,
    rescue: Annotated[
        bool | None,
        typer.Option("--rescue/--no-rescue", help="Replace a stuck loader in place (rescue)."),
    ] = None,
    tensorboard: Annotated[
        bool | None,
        typer.Option("--tensorboard/--no-tensorboard", help="Start TensorBoard beside it (on)."),
    ] = None,
    port: Annotated[
        str | None,
        typer.Option(metavar="PORT", help="Port of TensorBoard (6006)."),
    ] = None,
    notify: common.Notify = None,
    metrics_port: common.MetricsPort = None,
    metrics_host: common.MetricsHost = None,
    nproc_per_node: Annotated[
        int | None,
        typer.Option(help="Processes on this machine, as torchrun.", min=1),
    ] = None,
    nnodes: Annotated[int, typer.Option(help="Machines, as torchrun.", min=1)] = 1,
    node_rank: Annotated[int, typer.Option(help="Rank of this machine.", min=0)] = 0,
    rdzv_endpoint: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Meeting point of several machines."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print command and ladder of remedies, run nothing."),
    ] = False,
    quiet: common.Quiet = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Events as JSON Lines on stdout.")
    ] = False,
) -> None:
    """Train CONFIG under supervision: flags stalls, says why, reruns with what helps.

    \b
    Examples:
      dualwatch train configs/my_config.py
      dualwatch train configs/my_config.py --stall-timeout 2m --require loss_macl
      dualwatch train configs/my_config.py --cfg-options randomness.seed=1
      dualwatch train configs/my_config.py --script my_train.py -- --my-flag
      dualwatch train configs/my_config.py --notify jsons://example.org/hook
      dualwatch train configs/my_config.py --metrics-port 9600 --quiet
      dualwatch train configs/my_config.py --dry-run
    """
    from dualwatch.core import settings
    from dualwatch.frameworks.base import LaunchOptions
    from dualwatch.report.terminal import dryrun
    from dualwatch.supervisor import plan
    from dualwatch.supervisor.run import run

    in_force = settings.resolve(
        {
            "stall_timeout": stall_timeout,
            "busy_timeout": busy_timeout,
            "require": require,
            "on_stall": on_stall,
            "on_missing": on_missing,
            "on_fail": on_fail,
            "max_reruns": max_reruns,
            "keep_effective_batch": keep_effective_batch,
            "min_batch": min_batch,
            "rescue": rescue,
            "tensorboard": tensorboard,
            "port": port,
            "notify": notify,
            "metrics_port": metrics_port,
            "metrics_host": metrics_host,
            "python": python,
        }
    )
    planned = plan.make(
        LaunchOptions(
            config=config,
            work_dir=work_dir,
            script=script,
            cfg_options=tuple(cfg_options or ()),
            resume=resume,
            amp=amp,
            nproc_per_node=nproc_per_node,
            nnodes=nnodes,
            node_rank=node_rank,
            rdzv_endpoint=rdzv_endpoint,
            extra=tuple(extra or ()),
        ),
        in_force,
    )
    if dry_run:
        document = planned.document()
        sys.stdout.write(
            json.dumps(document, indent=1) + "\n" if as_json else dryrun.text(document)
        )
        return
    raise typer.Exit(int(run(planned, in_force, as_json=as_json, quiet=quiet)))
