"""``--json``: every event as one JSON line on stdout."""

from __future__ import annotations

import json
import sys
from typing import TextIO

from dualwatch.core.json_codec import plain
from dualwatch.events import Event, journal
from dualwatch.state.snapshot import Snapshot


class EventsView:
    """Writes the journal's lines to a stream as they come, each with the schema's version."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def event(self, event: Event, snapshot: Snapshot) -> None:
        """One JSON object a line; ASCII only, so that every encoding holds it."""
        data = {"schema_version": journal.SCHEMA_VERSION, **plain(event)}
        self._stream.write(json.dumps(data) + "\n")
        self._stream.flush()

    def tick(self, snapshot: Snapshot) -> None:
        """Time alone is not an event."""

    def note(self, text: str) -> None:
        """Notes are for people: they go to stderr."""
        sys.stderr.write(text + "\n")

    def close(self) -> None:
        """Nothing to put away."""
