"""``--dry-run``: the exact command, and what every step of the ladder would change."""

from __future__ import annotations

import shlex
from typing import Any

from dualwatch.facts import Change
from dualwatch.report.changes import changes_table
from dualwatch.report.console import plain_text


def text(plan: dict[str, Any]) -> str:
    """The document for people."""
    metrics = ", ".join(plan["required_metrics"]) or "none"
    lines = [
        "command:   " + shlex.join(plan["command"]),
        f"work dir:  {plan['work_dir']}",
        f"required:  {metrics} ({plan['required_because']})",
        *(f"note:      {note}" for note in plan["notes"]),
        "",
    ]
    for step in plan["ladder"]:
        lines.append(f"step {step['step']} on a stall: {step['name']}")
        lines += changes_table([Change(**change) for change in step["changes"]])
        lines.append("")
    if not plan["ladder"]:
        lines += ["no step: a rerun could change nothing here, a stall is given up", ""]
    else:
        lines.append(
            f"Every step resumes from the newest good checkpoint; at most {plan['max_reruns']} "
            "reruns."
        )
    lines.append("Nothing was started.")
    return "".join(plain_text(line) + "\n" for line in lines)
