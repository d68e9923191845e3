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
from dualwatch.history.model import RunHistory
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

    chapter: RunHistory
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


def render(chapters: Sequence[RunHistory], made: float) -> str:
    """The page of a run, or of several laid over each other.

    Args:
        made: Wall time of its making.
    """
    parts = [_part(chapter) for chapter in chapters]
    plotter = Plotter(chapters)
    several = len(chapters) > 1
    return (
        _environment()
        .get_template("page.html")
        .render(
            parts=parts,
            several=several,
            title=f"{len(chapters)} runs" if several else chapters[0].label,
            curves=plotter.all(),
            axis=plotter.axis,
            memory=machine.pictures(chapters),
            memory_unseen=machine.unseen(chapters),
            comparison=configuration.comparison(chapters) if several else None,
            unseen=_unseen(chapters),
            process_head=process_tree.HEAD,
            made=units.clock(made),
            zone=time.strftime("%Z", time.localtime(made)) or "local time",
            version=__version__,
        )
    )


def _part(chapter: RunHistory) -> Part:
    return Part(
        chapter=chapter,
        status=summary.status(chapter),
        sentences=summary.sentences(chapter),
        figures=summary.figures(chapter),
        timeline=timeline.timeline(chapter),
        findings=findings.findings(chapter),
        scenes=process_tree.scenes(chapter),
        configuration=configuration.configuration(chapter),
        checklist=checklist.items(chapter.checklist),
    )


def _unseen(chapters: Sequence[RunHistory]) -> list[tuple[str, str]]:
    """What could not be looked at, and what the reader should know of the sources."""
    rows = []
    for chapter in chapters:
        lead = f"{chapter.label}: " if len(chapters) > 1 else ""
        rows += [(f"{lead}{what}", why) for what, why in chapter.not_observed.items()]
        rows += [(f"{lead}note", note) for note in chapter.notes]
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
