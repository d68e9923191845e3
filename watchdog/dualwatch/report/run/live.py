"""The live view on a terminal: a small table with the state of the training and its findings."""

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
"""The family of codes that replacing the loader resolves."""

_STYLE = {"info": "dim", "warning": "yellow", "error": "red", "critical": "bold red"}


class LiveView:
    """A table that is redrawn at most once a second; changes of state are lines above it."""

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        from rich.live import Live

        self._stream = stream or sys.stderr
        self._console = make(self._stream)
        self._unicode = holds_unicode(self._stream)
        self._title = title
        self._findings: dict[str, Finding] = {}
        self._resolved: set[str] = set()
        self._attempt = 0
        self._text = view.RunText()
        self._drawn_at = -REFRESH
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def event(self, event: Event, snapshot: Snapshot) -> None:
        """Prints changes of state above the table, so that they stay in the scroll-back."""
        if snapshot.started is not None and snapshot.started.attempt != self._attempt:
            self._attempt = snapshot.started.attempt
            self._findings.clear()
            self._resolved.clear()
        style = ""
        if (
            isinstance(event, CommandAnswered)
            and event.done
            and event.order == AgentCommand.REPLACE
        ):
            self._resolved |= {code for code in self._findings if code.startswith(_STALLS)}
        if isinstance(event, FindingRaised):
            self._findings[event.finding.code] = event.finding
            self._resolved.discard(event.finding.code)
            style = _STYLE[event.finding.severity.word]
        room = self._console.width - len(_clock(event.wall))
        lines = self._text.lines(event, view.headline(event), room)
        for number, line in enumerate(lines):
            self._print(line, event.wall, "dim" if number else style)

    def tick(self, snapshot: Snapshot) -> None:
        """Redraws the table, at most once a second."""
        if snapshot.at - self._drawn_at < REFRESH:
            return
        self._drawn_at = snapshot.at
        from rich.constrain import Constrain

        width = self._console.width - ROOM_FOR_CTRL_C
        self._live.update(Constrain(self._table(snapshot), width), refresh=True)

    def note(self, text: str) -> None:
        """Prints a line above the table."""
        self._console.print(plain_text(text), style="dim", soft_wrap=True)

    def close(self) -> None:
        """Removes the table; the printed lines stay."""
        self._live.stop()

    def _print(self, text: str, wall: float, style: str) -> None:
        from rich.text import Text

        # Broken between words and indented below the time; a terminal would break anywhere.
        clock = _clock(wall)
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
        quiet = f", no progress for {units.span(silent)}" if silent > 10 else ""
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
                continue  # Printed once above the table.
            style, text = _STYLE[finding.severity.word], plain_text(finding.headline)
            if finding.code in self._resolved:
                style, text = "dim", "resolved, loader replaced"
            rows.append((finding.code, f"{finding.name}: {text}", style))
        return rows

    def _losses(self, line: IterationLogged) -> str:
        mark = "→ " if self._unicode else "> "
        return "  ".join(
            f"{mark if name in self._text.required else ''}{plain_text(name)} {units.value(value)}"
            for name, value in view.losses_of(line, self._text.required)
        )


def _clock(wall: float) -> str:
    return units.clock(wall)[11:] + " "


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
