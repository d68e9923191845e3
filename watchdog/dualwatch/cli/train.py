"""``dualwatch train``: runs a training as a supervised process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualwatch.cli import options

if TYPE_CHECKING:
    from dualwatch.core.settings import Settings
    from dualwatch.frameworks.base import LaunchOptions

# Words after `--` go to the training script, those before are dualwatch's.
CONTEXT: dict[str, object] = {"allow_interspersed_args": True}

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


@options.from_settings(
    *options.JUDGED,
    "keep_effective_batch",
    "min_batch",
    *options.REMEDIES,
    "tensorboard",
    "port",
    *options.REPORTED,
    "python",
)
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Training configuration.")],
    extra: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- ARGS...]", help="Arguments passed on to the training script."),
    ] = None,
    work_dir: Annotated[Path | None, typer.Option(help="Folder for logs and checkpoints.")] = None,
    script: Annotated[
        Path | None,
        typer.Option(
            help="Training script, or module for python -m.  [default: tools/train.py if it "
            "exists, else built in]"
        ),
    ] = None,
    cfg_options: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V ...", help="Override entries of the configuration."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume from the last checkpoint.")
    ] = False,
    amp: Annotated[bool, typer.Option("--amp", help="Use automatic mixed precision.")] = False,
    nproc_per_node: Annotated[
        int | None,
        typer.Option(help="Processes on this machine (as torchrun --nproc-per-node).", min=1),
    ] = None,
    nnodes: Annotated[
        int, typer.Option(help="Number of machines (as torchrun --nnodes).", min=1)
    ] = 1,
    node_rank: Annotated[
        int, typer.Option(help="Rank of this machine (as torchrun --node-rank).", min=0)
    ] = 0,
    rdzv_endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Rendezvous endpoint (as torchrun --rdzv-endpoint)."
        ),
    ] = None,
    dry_run: options.DryRun = False,
    rehearse: Annotated[
        bool,
        typer.Option(
            "--rehearse", help="Rehearse first (see `check --rehearse`); start if nothing fails."
        ),
    ] = False,
    quiet: options.Quiet = False,
    as_json: options.JsonLines = False,
    **flags: object,
) -> None:
    """Train CONFIG under supervision: detect stalls, explain them, rerun with a remedy.

    \b
    Examples:
      dualwatch train configs/my_config.py
      dualwatch train configs/my_config.py --stall-timeout 2m --require loss_macl
      dualwatch train configs/my_config.py --cfg-options randomness.seed=1
      dualwatch train configs/my_config.py --script my_train.py -- --my-flag
      dualwatch train configs/my_config.py --notify jsons://example.org/hook
      dualwatch train configs/my_config.py --metrics-port 9600 --quiet
      dualwatch train configs/my_config.py --rehearse
      dualwatch train configs/my_config.py --dry-run
    """
    from dualwatch.core import settings
    from dualwatch.frameworks.base import LaunchOptions
    from dualwatch.supervisor import early_start

    in_force = settings.resolve(flags)
    wanted = LaunchOptions(
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
    )
    if rehearse and not dry_run:
        from dualwatch.cli.rehearsing import rehearse as rehearsed

        code = rehearsed(wanted, in_force, results_on_stderr=True)
        if code:
            raise typer.Exit(int(code))
    if dry_run:
        _print_plan(wanted, in_force, as_json=as_json)
        return
    with early_start.started(wanted, in_force) as early:
        # Heavy: the training starts meanwhile.
        from dualwatch.supervisor import plan
        from dualwatch.supervisor.run import run

        planned = plan.make(wanted, in_force)
        if early is not None and not early.fits(planned):
            early.take_back()
            early = None
        notify = in_force.notify_policy()
        code = run(planned, notify, as_json=as_json, quiet=quiet, early=early)
    raise typer.Exit(int(code))


def _print_plan(wanted: LaunchOptions, in_force: Settings, *, as_json: bool) -> None:
    from dualwatch.core.json_codec import printed
    from dualwatch.report.terminal import dryrun
    from dualwatch.report.terminal.console import write_out
    from dualwatch.supervisor import plan

    document = plan.make(wanted, in_force).document()
    write_out(printed(document) if as_json else dryrun.text(document))
