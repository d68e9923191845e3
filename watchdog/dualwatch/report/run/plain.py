"""The view without a terminal: one dated line per change of state, and one line a minute."""

from __future__ import annotations

import sys
from typing import TextIO

from dualwatch.core import units
from dualwatch.events import Event, IterationLogged
from dualwatch.protocol import Phase
from dualwatch.report.run import view
from dualwatch.report.terminal.console import limit_encoding, plain_text
from dualwatch.state.snapshot import Snapshot

SIGN_OF_LIFE = 60.0
WIDTH = 120
"""Columns of a line of evidence; a log has no width of its own."""

_IN_THE_LOOP = (Phase.WAITING, Phase.STEP, Phase.VAL_WAITING, Phase.VAL_STEP)


class PlainView:
    """Writes lines to a stream, stderr by default."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        limit_encoding(self._stream)
        self._written_at: float | None = None
        self._phase = ""
        self._text = view.RunText()

    def event(self, event: Event, snapshot: Snapshot) -> None:
        """Writes a line for a change of state; training lines at most once a minute."""
        text = view.headline(event)
        if isinstance(event, IterationLogged) and event.mode == "train":
            if snapshot.train_lines <= 1 or self._is_due(snapshot.at):
                text = view.iteration_line(event, self._text.required)
        elif text is None and snapshot.phase != self._phase and snapshot.started is not None:
            before, self._phase = self._phase, snapshot.phase
            # The loop alternates between waiting and stepping: not a change of state.
            if before not in _IN_THE_LOOP or snapshot.phase not in _IN_THE_LOOP:
                text = f"phase: {snapshot.phase}"
        for line in self._text.lines(event, text, WIDTH):
            self._write(line, event.wall, snapshot.at)

    def tick(self, snapshot: Snapshot) -> None:
        """Writes a line every minute, so that silence means that dualwatch is gone."""
        if snapshot.started is None or not self._is_due(snapshot.at):
            return
        silent = units.span(snapshot.silence(snapshot.at))
        where = f"phase {snapshot.phase}, last progress {silent} ago"
        if snapshot.last_iteration is not None:
            where += f", iteration {snapshot.last_iteration}"
        self._write(f"alive: {where}", snapshot.wall, snapshot.at)

    def note(self, text: str) -> None:
        """Writes a line without a date."""
        self._stream.write(plain_text(text) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing to release."""

    def _is_due(self, at: float) -> bool:
        return self._written_at is None or at - self._written_at >= SIGN_OF_LIFE

    def _write(self, text: str, wall: float, at: float) -> None:
        self._written_at = at
        self._stream.write(f"{units.clock(wall)} {text}\n")
        self._stream.flush()
