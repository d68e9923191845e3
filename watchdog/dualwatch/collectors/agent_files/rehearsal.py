"""Reads what the agent noted of a rehearsal."""

from __future__ import annotations

from pathlib import Path

import msgspec

from dualwatch.protocol.rehearsal import FILE, Document

MOST_BYTES = 1_000_000

_DOCUMENT = msgspec.json.Decoder(Document)


def read(folder: Path) -> Document | None:
    """The newest record; None where there is none that can be read."""
    try:
        with (folder / FILE).open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        return _DOCUMENT.decode(data) if len(data) <= MOST_BYTES else None
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def last_line(console: Path) -> str:
    """The last line that the training printed, "" where it printed none."""
    try:
        with console.open("rb") as stream:
            stream.seek(max(0, console.stat().st_size - 8192))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
