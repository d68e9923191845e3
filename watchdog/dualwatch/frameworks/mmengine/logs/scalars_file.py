"""``scalars.json`` of a run: whole curves at once, or row by row while it grows."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from dualwatch.events import Event
from dualwatch.frameworks.mmengine.logs.columns import Columns, columns
from dualwatch.frameworks.mmengine.logs.scalars import ScalarsParser
from dualwatch.logs.tail import Tail

_BLOCK = 1 << 17
"""Bytes read at a time: what is made of them still lies in the processor's cache."""


def files(work_dir: str | os.PathLike[str]) -> list[Path]:
    """The ``scalars.json`` of a work dir, oldest run first; a resume opens a folder of its own."""
    try:
        # The folders are named by the time of their start: 20261123_062040.
        found = [path for path in Path(work_dir).glob("*/vis_data/scalars.json") if path.is_file()]
    except OSError:
        return []
    return sorted(found)


def read_columns(
    paths: Iterable[str | os.PathLike[str]], wanted: Collection[str] | None = None
) -> Columns:
    """All rows of some files, one after the other.

    Args:
        wanted: Names of metrics, with or without the ``train/`` of hierarchical tags; None for
            all, which takes twice as long.

    Raises:
        OSError: One of them cannot be read.
    """
    return columns(_blocks(paths), wanted)


class ScalarsFile:
    """Follows one file that grows; it need not be there yet."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._tail = Tail(path)
        self._parser = ScalarsParser()

    def poll(self, at: float, wall: float) -> list[Event]:
        """What the rows state that came since the last call."""
        events = [self._parser.feed(line, at, wall) for line in self._tail.poll()]
        return [event for event in events if event is not None]


def _blocks(paths: Iterable[str | os.PathLike[str]]) -> Iterator[bytes]:
    for path in paths:
        with open(path, "rb") as stream:
            while block := stream.read(_BLOCK):
                yield block
        yield b"\n"  # The last row of a run that was killed may have no end.
