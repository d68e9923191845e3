"""``dualwatch explain``: what a finding code means."""

from __future__ import annotations

import difflib
import json
import sys
from typing import Annotated

import typer

from dualwatch.cli import common


def explain(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE",
            help="A finding code such as DW102, or its name.",
            autocompletion=common.codes,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
) -> None:
    """Say what CODE means, why it matters and how to cure it; without CODE, list them all.

    \b
    Examples:
      dualwatch explain DW102
      dualwatch explain
    """
    from dualwatch.core.errors import DualwatchError
    from dualwatch.report.terminal import explanation
    from dualwatch.rules.catalog import BY_CODE, CODES

    if code is None:
        chosen = list(CODES)
    else:
        by_name = {**BY_CODE, **{entry.name: entry for entry in CODES}}
        wanted = code.upper() if code.upper() in by_name else code.lower()
        if wanted not in by_name:
            close = difflib.get_close_matches(wanted, by_name, n=1, cutoff=0.3)
            raise DualwatchError(
                f"there is no finding code {code!r}",
                why=f"the nearest is {close[0]}" if close else "",
                do="`dualwatch explain` lists them all",
            )
        chosen = [by_name[wanted]]
    if as_json:
        sys.stdout.write(json.dumps(explanation.document(chosen), indent=1) + "\n")
    else:
        sys.stdout.write(explanation.text(chosen, in_full=code is not None))
