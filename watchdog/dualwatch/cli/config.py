"""``dualwatch config show``: every setting with its value and where that came from."""

from __future__ import annotations

import os

from dualwatch.cli import options


def show(
    as_json: options.AsJson = False,
) -> None:
    """List every setting with its value and where that came from.

    Flags override DUALWATCH_* variables, which override dualwatch.toml or [tool.dualwatch] in
    pyproject.toml (the nearest upwards), which override defaults. Passwords are not shown.

    \b
    Examples:
      dualwatch config show
      dualwatch config show --json
      DUALWATCH_STALL_TIMEOUT=2m dualwatch config show
    """
    from dualwatch.core import settings
    from dualwatch.core.json_codec import printed
    from dualwatch.events.journal import SCHEMA_VERSION
    from dualwatch.report.terminal import settings_list
    from dualwatch.report.terminal.console import write_out

    rows = settings.resolve({}).rows()
    if as_json:
        listed = [{"name": n, "value": v, "source": s, "help": h} for n, v, s, h in rows]
        document = {"schema_version": SCHEMA_VERSION, "settings": listed}
        write_out(printed(document))
        return
    write_out("".join(f"{line}\n" for line in settings_list.lines(rows, os.getcwd())))
