"""``--dry-run``: the exact command, and what every rerun step would change."""

from __future__ import annotations

import textwrap

from msgspec import Struct

from dualwatch.core import shell
from dualwatch.core.units import counted
from dualwatch.events import Change
from dualwatch.events.journal import SCHEMA_VERSION
from dualwatch.report.terminal.changes import changes_table
from dualwatch.report.terminal.console import plain_text

WIDTH = 80


class Step(Struct, kw_only=True):
    """One step: its number in the escalation, and what it changes."""

    step: int
    name: str
    changes: tuple[Change, ...]
    environment: dict[str, str]


class DryRun(Struct, kw_only=True):
    """The document of ``--dry-run --json``.

    Attributes:
        in_place: What is done about a loader that hangs before any rerun, None for nothing.
        ladder: The steps on a stall.
        ladders: Family of causes -> its steps.
    """

    schema_version: int = SCHEMA_VERSION
    command: tuple[str, ...]
    config: str = ""
    script: str = ""
    work_dir: str
    required_metrics: tuple[str, ...]
    required_because: str
    notes: tuple[str, ...] = ()
    max_reruns: int
    min_batch: int
    in_place: str | None = None
    ladder: list[Step] = []
    ladders: dict[str, list[Step]] = {}


def text(plan: DryRun) -> str:
    """The document for people."""
    metrics = ", ".join(plan.required_metrics) or "none"
    lines = [
        "command:   " + shell.join(plan.command),
        f"work dir:  {plan.work_dir}",
        *_wrapped("required:  ", f"{metrics} ({plan.required_because})"),
        *(line for note in plan.notes for line in _wrapped("note:      ", note)),
        "",
    ]
    if not plan.ladder:
        lines += ["no steps: a rerun could change nothing here, so a stall ends the run", ""]
    elif plan.in_place:
        lines += [*_wrapped("first on a stall: ", plan.in_place, indent=2), ""]
    for family, steps in plan.ladders.items():
        for step in steps:
            lines.append(f"step {step.step} on {_called(family)}: {step.name}")
            lines += changes_table(step.changes)
            lines += [f"  {key}={value}" for key, value in step.environment.items()]
        lines.append("")
    if plan.min_batch > 1:
        lines.append(f"No batch below {plan.min_batch}: the model's loss needs more samples.")
    if plan.ladders:
        lines += _wrapped(
            "",
            "Every rerun resumes at the same sample, or from the newest good checkpoint; at most "
            f"{counted(plan.max_reruns, 'rerun')} in all.",
        )
    lines.append("Nothing was started.")
    return "".join(plain_text(line) + "\n" for line in lines)


def _wrapped(lead: str, text: str, indent: int | None = None) -> list[str]:
    """Wraps prose; paths stay whole, so that they can be copied."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=lead,
        subsequent_indent=" " * (len(lead) if indent is None else indent),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _called(family: str) -> str:
    return "a stall" if family == "stall" else family
