"""Makes the options of a command from the declared settings, and completes values."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer

from dualwatch.core import units
from dualwatch.core.options import Setting
from dualwatch.core.settings import BY_NAME

Command = TypeVar("Command", bound=Callable[..., None])

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show only findings, decisions and the result.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Print the command and the steps of every remedy, run nothing."),
]
JsonLines = Annotated[bool, typer.Option("--json", help="Print events as JSON Lines.")]

JUDGED = (
    "stall_timeout",
    "busy_timeout",
    "require",
    "on_stall",
    "on_missing",
    "on_fail",
    "max_reruns",
)
"""Settings of every command that supervises: what it acts on, and how often."""

REMEDIES = ("rescue", "after_cure")

REPORTED = ("notify", "heartbeat_url", "metrics_port", "metrics_host")
"""Settings of every command that supervises: who is informed."""


def from_settings(*names: str, **defaults: str) -> Callable[[Command], Command]:
    """Gives a command one option for each named setting; they arrive as its keyword arguments.

    Args:
        names: Settings, in the order of the help.
        defaults: Values that this command sets where the user gives none.
    """

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        added = [_parameter(BY_NAME[name], defaults.get(name)) for name in names]
        command.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
        return command

    return decorate


def _parameter(setting: Setting, default: str | None) -> inspect.Parameter:
    words, complete = [setting.flag], None
    kind: type = str
    if setting.is_flag:
        words, kind = [f"{setting.flag}/--no-{setting.flag[2:]}"], bool
    elif setting.is_list:
        kind = list[str]
    if setting.choices:
        complete = lambda: list(setting.choices)  # noqa: E731
    shown = default or _default(setting)
    option = typer.Option(
        *words,
        metavar=setting.option.metavar or "|".join(setting.choices) or None,
        help=setting.option.help + (f"  [default: {shown}]" if shown else ""),
        show_default=False,
        autocompletion=complete,
    )
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind | None, option],
    )


def _default(setting: Setting) -> str:
    value = setting.default
    if setting.option.default or value is None:
        return setting.option.default
    if setting.is_flag:
        return setting.flag[2:] if value else f"no-{setting.flag[2:]}"
    return units.span(value).removesuffix("00s") if isinstance(value, float) else str(value)


def codes() -> list[tuple[str, str]]:
    """Finding codes with their names, for completion."""
    from dualwatch.rules.catalog import CODES

    return [(entry.code, entry.name) for entry in CODES]


def profiles() -> list[str]:
    """Shipped profiles of the checklist, for completion."""
    from dualwatch.checks import profiles

    return list(profiles.shipped())
