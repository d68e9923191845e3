"""``dualwatch config show``: every setting in force, and where its value came from."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer


def show(
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
) -> None:
    """List every setting in force, and where its value came from.

    \b
    Example:
      DUALWATCH_STALL_TIMEOUT=2m dualwatch config show
    """
    from dualwatch import settings
    from dualwatch.journal import SCHEMA_VERSION

    rows = settings.resolve({}).rows()
    if as_json:
        listed = [{"name": n, "value": v, "source": s, "help": h} for n, v, s, h in rows]
        document = {"schema_version": SCHEMA_VERSION, "settings": listed}
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
        return
    for name, value, source, help_text in rows:
        shown = "not set" if value is None else str(value)
        sys.stdout.write(f"{name:<22}{shown:<12}{source:<28}{help_text}\n")
