"""Writes an event file for TensorBoard; a full disk costs what was to be written, no more."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from dualwatch.tensorboard import records


class EventFileWriter:
    """Appends events to a new file in a folder. Nothing here raises ``OSError``.

    Args:
        folder: Made where it is not there, readable by its owner only.
        wall: Seconds since the epoch; begins the file's name, by which TensorBoard orders them.

    Attributes:
        lost: Writes that failed so far, each of some events.
        lost_because: Why the last of them did.
    """

    def __init__(self, folder: Path, wall: float) -> None:
        self.lost = 0
        self.lost_because = ""
        self.path = folder / f"events.out.tfevents.{wall:.0f}.{os.getpid()}{records.OWN}"
        self._wall = wall
        self._descriptor: int | None = None
        self._size = 0
        self._is_spoilt = False

    def write(self, *events: bytes) -> None:
        """Appends events, all of them or none: half a record would spoil what comes after it."""
        if self._is_spoilt:
            return
        try:
            if self._descriptor is None:
                events = (*self._open(), *events)
            data = b"".join(map(records.framed, events))
            descriptor = self._descriptor
            assert descriptor is not None
            written = os.write(descriptor, data)
        except OSError as error:
            self._lose(error.strerror or str(error))
            return
        if written == len(data):
            self._size += written
        else:
            self._lose("the disk is full")

    def close(self) -> None:
        """No more is written."""
        self._is_spoilt = True
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> tuple[bytes, ...]:
        """Creates the file with its first record."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        return () if self._size else (records.opening(self._wall),)

    def _lose(self, because: str) -> None:
        self.lost += 1
        self.lost_because = because
        if self._descriptor is None:
            return
        try:
            os.ftruncate(self._descriptor, self._size)
            if not self._size:  # Its first event is lost: the next write begins anew.
                os.close(self._descriptor)
                self._descriptor = None
        except OSError:
            self._is_spoilt = True
