"""Options that several commands share, and what their values may be completed to."""

from __future__ import annotations

from typing import Annotated

import typer

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
