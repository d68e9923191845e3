"""``--dry-run``: the exact command, and what every step of every ladder would change."""

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
    if not plan["ladder"]:
        lines += ["no step: a rerun could change nothing here, a stall is given up", ""]
    elif plan["in_place"]:
        lines += [f"first on a stall: {plan['in_place']}", ""]
    for family, steps in plan["ladders"].items():
        for step in steps:
            lines.append(f"step {step['step']} on {_called(family)}: {step['name']}")
            lines += changes_table([Change(**change) for change in step["changes"]])
            lines += [f"  {key}={value}" for key, value in step["environment"].items()]
        lines.append("")
    if plan["min_batch"] > 1:
        lines.append(f"No batch below {plan['min_batch']}: the model's loss cannot learn from it.")
    if plan["ladders"]:
        lines.append(
            "Every step resumes where it stood, or from the newest good checkpoint; at most "
            f"{_reruns(plan['max_reruns'])} in all."
        )
    lines.append("Nothing was started.")
    return "".join(plain_text(line) + "\n" for line in lines)


def _called(family: str) -> str:
    return "a stall" if family == "stall" else family


def _reruns(count: int) -> str:
    return "1 rerun" if count == 1 else f"{count} reruns"
