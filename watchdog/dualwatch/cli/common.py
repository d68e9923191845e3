"""Options that several commands share, and what their values may be completed to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer


def one_of(*words: str) -> Callable[[], list[str]]:
    """What a shell may complete a value to."""
    return lambda: list(words)


def codes() -> list[tuple[str, str]]:
    """Finding codes, each with its name."""
    from dualwatch.rules.catalog import CODES

    return [(entry.code, entry.name) for entry in CODES]


def profiles() -> list[str]:
    """Checklists that come along."""
    from dualwatch.checks.profiles import SHIPPED

    return list(SHIPPED)


Notify = Annotated[
    list[str] | None,
    typer.Option(metavar="URL", help="Tell stalls, reruns and the end there; repeatable."),
]
MetricsPort = Annotated[
    str | None, typer.Option(metavar="PORT", help="Serve Prometheus metrics on this port.")
]
MetricsHost = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Where that listens (127.0.0.1).")
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Only findings, decisions and the result."),
]
