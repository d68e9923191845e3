"""The calm live view of a terminal: where the training stands, and what is wrong with it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from dualwatch.core import units
from dualwatch.events import (
    CommandAnswered,
    Event,
    Finding,
    FindingRaised,
    IterationLogged,
    Severity,
)
from dualwatch.protocol import AgentCommand
from dualwatch.report.run import view
from dualwatch.report.terminal.console import holds_unicode, make, plain_text
from dualwatch.state.snapshot import Snapshot

if TYPE_CHECKING:
    from rich.table import Table

REFRESH = 1.0

ROOM_FOR_CTRL_C = 3
"""Columns. The terminal echoes ``^C``; at the last column it would wrap and shift the table."""

_STALLS = "DW1"
"""The family of codes that a replaced loader is the answer to."""

_STYLE = {"info": "dim", "warning": "yellow", "error": "red", "critical": "bold red"}


class LiveView:
    """Redraws a small table at most once a second; what ended stays above it as lines."""

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        from rich.live import Live

        self._stream = stream or sys.stderr
        self._console = make(self._stream)
        self._unicode = holds_unicode(self._stream)
        self._title = title
        self._findings: dict[str, Finding] = {}
        self._cured: set[str] = set()
        self._attempt = 0
        self._news = view.FindingNews()
        self._drawn_at = -REFRESH
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def event(self, event: Event, snapshot: Snapshot) -> None:
        """Changes of state are printed above the table, so that they stay in the scroll-back."""
        if snapshot.started is not None and snapshot.started.attempt != self._attempt:
            self._attempt = snapshot.started.attempt
            self._findings.clear()
            self._cured.clear()
        style = ""
        if (
            isinstance(event, CommandAnswered)
            and event.done
            and event.order == AgentCommand.REPLACE
        ):
            self._cured |= {code for code in self._findings if code.startswith(_STALLS)}
        if isinstance(event, FindingRaised):
            self._findings[event.finding.code] = event.finding
            self._cured.discard(event.finding.code)
            style = _STYLE[event.finding.severity.word]
        text = view.headline(event)
        if text is None or self._news.is_old(event, text):
            return
        self._print(text, event.wall, style)
        for line in view.details(event):
            self._print(line, event.wall, "dim")

    def tick(self, snapshot: Snapshot) -> None:
        """Redraws, at most once a second: the supervisor must not cost what it saves."""
        if snapshot.at - self._drawn_at < REFRESH:
            return
        self._drawn_at = snapshot.at
        from rich.constrain import Constrain

        width = self._console.width - ROOM_FOR_CTRL_C
        self._live.update(Constrain(self._table(snapshot), width), refresh=True)

    def note(self, text: str) -> None:
        """A line above the table."""
        self._console.print(plain_text(text), style="dim", soft_wrap=True)

    def close(self) -> None:
        """Takes the table away; the printed lines stay."""
        self._live.stop()

    def _print(self, text: str, wall: float, style: str) -> None:
        from rich.text import Text

        # Broken between words and beside the time, where the terminal would break anywhere.
        clock = units.time_of_day(wall) + " "
        room = max(20, self._console.width - len(clock))
        first, *rest = Text(text).wrap(self._console, room) or [Text()]
        self._console.print(clock + first.plain.rstrip(), style=style, soft_wrap=True)
        for line in rest:
            self._console.print(" " * len(clock) + line.plain.rstrip(), style=style, soft_wrap=True)

    def _table(self, s: Snapshot) -> Table:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(
            title=f"dualwatch  {plain_text(self._title)}",
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE if self._unicode else box.ASCII,
            show_header=False,
            pad_edge=False,
        )
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name, text, style in self._rows(s):
            table.add_row(name, Text(text, style=style))
        return table

    def _rows(self, s: Snapshot) -> list[tuple[str, str, str]]:
        silent = s.silence(s.at)
        quiet = f", nothing new for {units.span(silent)}" if silent > 10 else ""
        attempt = f"attempt {s.started.attempt}, " if s.started is not None else ""
        rows = [("phase", f"{attempt}{s.phase}{quiet}", "yellow" if silent > 60 else "")]
        rows.append(("progress", _progress(s), ""))
        if s.last_train is not None:
            rows.append(("losses", self._losses(s.last_train), ""))
        if s.last_evaluation is not None:
            headline = view.headline(s.last_evaluation)
            rows.append(("validation", headline or "", ""))
        rows.append(("processes", _processes(s), ""))
        rows.append(("GPU memory", _gpus(s), ""))
        for finding in self._findings.values():
            if finding.severity is Severity.INFO:
                continue  # Printed once above; it needs no place of its own for hours.
            style, text = _STYLE[finding.severity.word], plain_text(finding.headline)
            if finding.code in self._cured:
                style, text = "dim", "cured in place"
            rows.append((finding.code, f"{finding.name}: {text}", style))
        return rows

    def _losses(self, line: IterationLogged) -> str:
        mark = "→ " if self._unicode else "> "
        return "  ".join(
            f"{mark if 'macl' in name else ''}{plain_text(name)} {units.value(value)}"
            for name, value in view.losses_of(line)
        )


def _progress(s: Snapshot) -> str:
    pulse = s.slowest
    if pulse is None or not pulse.batches:
        return f"{s.console_lines} console lines"
    of_epochs = f"epoch {pulse.epoch + 1} of {pulse.max_epochs}, " if pulse.max_epochs else ""
    text = f"{of_epochs}iteration {pulse.batch} of {pulse.batches}"
    if s.last_train is not None and s.last_train.eta_s is not None:
        text += f", ETA {units.eta(s.last_train.eta_s)}"
    return text


def _processes(s: Snapshot) -> str:
    if s.processes is None:
        return "?"
    tree = s.processes.processes
    workers = sum(1 for p in tree if p.role == "worker")
    memory = sum(p.rss for p in tree if p.rss is not None)
    cpu = s.activity.cpu if s.activity is not None else None
    used = "?" if cpu is None else f"{cpu * 100:.0f} %"
    return f"{len(tree)}, {workers} loader workers, CPU {used}, memory {units.size(memory)}"


def _gpus(s: Snapshot) -> str:
    if s.gpus is None:
        unseen = s.not_observed.get("gpu")
        return f"not observed: {plain_text(unseen.why)}" if unseen is not None else "?"
    return ", ".join(
        f"{g.index}: {units.size(g.used)} of {units.size(g.total)} (training {units.size(g.tree)})"
        for g in s.gpus.gpus
    )
