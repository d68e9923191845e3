"""``dualwatch explain``: the meaning of a finding code."""

from __future__ import annotations

from typing import Annotated

import typer

from dualwatch.cli import options


def explain(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE",
            help="A finding code such as DW102, or its name.",
            autocompletion=options.codes,
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Explain a finding code: meaning, impact and remedy; without CODE, list all codes.

    \b
    Examples:
      dualwatch explain DW102
      dualwatch explain
    """
    from dualwatch.core.errors import DualwatchError, did_you_mean
    from dualwatch.core.json_codec import printed
    from dualwatch.report.terminal import explanation
    from dualwatch.report.terminal.console import write_out
    from dualwatch.rules.catalog import BY_CODE, CODES

    if code is None:
        chosen = list(CODES)
    else:
        by_name = {**BY_CODE, **{entry.name: entry for entry in CODES}}
        wanted = code.upper() if code.upper() in by_name else code.lower()
        if wanted not in by_name:
            raise DualwatchError(
                f"unknown finding code {code!r}",
                why=did_you_mean(wanted, by_name),
                do="`dualwatch explain` lists all codes",
            )
        chosen = [by_name[wanted]]
    if as_json:
        write_out(printed(explanation.document(chosen)))
    else:
        write_out(explanation.text(chosen, in_full=code is not None))
