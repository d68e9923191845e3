"""Renders errors: what happened, why, what to do."""

from __future__ import annotations

import textwrap
import traceback

from dualwatch import __version__
from dualwatch.core.errors import DualwatchError
from dualwatch.report.terminal.console import plain_text


def render(error: DualwatchError) -> str:
    """Renders an expected failure, without a traceback."""
    code = f" [{error.code}]" if error.code else ""
    lines = [f"dualwatch: {error.what}{code}"]
    for label, text in (("why", error.why), ("do", error.do)):
        for number, line in enumerate(text.splitlines()):
            lines.append(f"  {label + ':' if number == 0 else '':<5}{line}")
    return "".join(plain_text(line) + "\n" for line in lines)


def render_fault(error: BaseException) -> str:
    """Renders an internal error, with what a bug report needs."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return (
        f"dualwatch: internal error, a bug in dualwatch (version {__version__})\n"
        "  do:  report it with the lines below and the journal.jsonl of the run;\n"
        "       a training that was started keeps running\n"
        f"{textwrap.indent(trace, '  ')}"
    )
