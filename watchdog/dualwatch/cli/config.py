"""``dualwatch config show``: every setting in force, and where its value came from."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated

import typer


def show(
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
) -> None:
    """List every setting in force, and where its value came from.

    Flags win over DUALWATCH_* variables, these over dualwatch.toml or [tool.dualwatch] in
    pyproject.toml (the nearest upwards), these over defaults. Passwords are not shown.

    \b
    Examples:
      dualwatch config show
      dualwatch config show --json
      DUALWATCH_STALL_TIMEOUT=2m dualwatch config show
    """
    from dualwatch.core import settings
    from dualwatch.events.journal import SCHEMA_VERSION
    from dualwatch.report.terminal import settings_list

    rows = settings.resolve({}).rows()
    if as_json:
        listed = [{"name": n, "value": v, "source": s, "help": h} for n, v, s, h in rows]
        document = {"schema_version": SCHEMA_VERSION, "settings": listed}
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
        return
    for line in settings_list.lines(rows, os.getcwd()):
        sys.stdout.write(line + "\n")
