"""Puts the page together.

Whatever comes from outside is escaped by the template engine, and cleared of control characters on
its way out; no part of the page is made of strings of markup. A policy in its head forbids scripts
and any network, should something slip through nevertheless.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dualwatch import __version__
from dualwatch.core import units
from dualwatch.core.text import clean
from dualwatch.history.reported_run import ReportedRun
from dualwatch.report.html import (
    checklist,
    configuration,
    findings,
    machine,
    process_tree,
    summary,
    timeline,
)
from dualwatch.report.html.checklist import CheckItemView
from dualwatch.report.html.curves import Plotter

if TYPE_CHECKING:
    from jinja2 import Environment

_MARKS = dict.fromkeys((0x061C, 0x200E, 0x200F))
"""Marks that turn the direction of what follows them."""


@dataclass(slots=True)
class Part:
    """What the page says of one run."""

    run: ReportedRun
    status: tuple[str, str]
    sentences: list[str]
    figures: list[tuple[str, str]]
    timeline: timeline.Timeline | None
    findings: findings.Findings
    scenes: list[process_tree.StallScene]
    configuration: configuration.Configuration
    checklist: list[CheckItemView] | None

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How many items have each status."""
        return list(Counter(item.status for item in self.checklist or ()).items())


def render(runs: Sequence[ReportedRun], made: float) -> str:
    """The page of a run, or of several laid over each other.

    Args:
        made: Wall time of its making.
    """
    parts = [_part(run) for run in runs]
    plotter = Plotter(runs)
    several = len(runs) > 1
    return (
        _environment()
        .get_template("page.html")
        .render(
            parts=parts,
            several=several,
            title=f"{len(runs)} runs" if several else runs[0].label,
            curves=plotter.all(),
            axis=plotter.axis,
            memory=machine.pictures(runs),
            memory_unseen=machine.unseen(runs),
            comparison=configuration.comparison(runs) if several else None,
            unseen=_unseen(runs),
            process_head=process_tree.HEAD,
            made=units.clock(made),
            zone=time.strftime("%Z", time.localtime(made)) or "local time",
            version=__version__,
        )
    )


def _part(run: ReportedRun) -> Part:
    return Part(
        run=run,
        status=summary.status(run),
        sentences=summary.sentences(run),
        figures=summary.figures(run),
        timeline=timeline.timeline(run),
        findings=findings.findings(run),
        scenes=process_tree.scenes(run),
        configuration=configuration.configuration(run),
        checklist=checklist.items(run.checklist),
    )


def _unseen(runs: Sequence[ReportedRun]) -> list[tuple[str, str]]:
    """What could not be looked at, and what the reader should know of the sources."""
    rows = []
    for run in runs:
        lead = f"{run.label}: " if len(runs) > 1 else ""
        rows += [(f"{lead}{what}", why) for what, why in run.not_observed.items()]
        rows += [(f"{lead}note", note) for note in run.notes]
    return rows


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("dualwatch.report.html", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_outgoing,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["span"] = units.span
    return made


def _outgoing(value: Any) -> Any:
    """Text without control characters and direction marks; what the engine made stays."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return clean(value.translate(_MARKS).replace("\n", " "))
