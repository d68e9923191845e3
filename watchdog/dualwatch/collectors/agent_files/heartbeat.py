"""Reads the heartbeat records that the agents inside the ranks keep.

The files are mapped by their writers. Here they are read with plain reads of an open file, which
show the same pages, and not through a mapping: a mapping of a file that somebody cuts would kill
the supervisor with SIGBUS.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from msgspec.structs import replace

from dualwatch import protocol
from dualwatch.events import HeartbeatRead

TRIES = 5
"""Readings until two are equal; a writer changes a record every few milliseconds at most."""

_NAME = re.compile(r"heartbeat-\d+\.bin")


class HeartbeatFiles:
    """The heartbeats of one attempt; ranks that appear later are noticed.

    Use as a context manager, or call ``close``.
    """

    def __init__(self, attempt_dir: str | os.PathLike[str]) -> None:
        self._folder = Path(attempt_dir)
        self._files: dict[str, int] = {}

    def __enter__(self) -> HeartbeatFiles:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def poll(self, at: float, wall: float) -> list[HeartbeatRead]:
        """One reading of each rank, lowest rank first.

        A rank whose record is not whole at this moment is left out.
        """
        return [pulse for pulse, _ in self.dated(at, wall)]

    def dated(self, at: float, wall: float) -> list[tuple[HeartbeatRead, float]]:
        """As ``poll``, each with the writer's own time of its last change."""
        self._open_new()
        pulses: list[tuple[HeartbeatRead, float]] = []
        for name, file in list(self._files.items()):
            try:
                if os.fstat(file).st_nlink == 0:  # deleted; a new file of the name comes next time
                    self._forget(name)
                    continue
                record = _read_whole(file)
            except OSError:
                self._forget(name)
                continue
            if record is not None:
                pulses.append((_pulse(record, at, wall), record.changed))
        return sorted(pulses, key=lambda dated: dated[0].rank)

    def close(self) -> None:
        """Closes the files."""
        for name in list(self._files):
            self._forget(name)

    def _open_new(self) -> None:
        try:
            names = os.listdir(self._folder)
        except OSError:
            return
        for name in names:
            if name not in self._files and _NAME.fullmatch(name):
                try:
                    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
                    self._files[name] = os.open(self._folder / name, flags)
                except OSError:
                    continue

    def _forget(self, name: str) -> None:
        os.close(self._files.pop(name))


def read(attempt_dir: str | os.PathLike[str], at: float, wall: float) -> list[HeartbeatRead]:
    """One reading of all heartbeats of an attempt, without an earlier one.

    Each gets the time at which its writer changed it, on the clock that all processes of a machine
    share: a record that stands still is as old as that, not as new as our look at it.
    """
    with HeartbeatFiles(attempt_dir) as heartbeats:
        return [
            replace(pulse, at=changed, wall=wall - (at - changed)) if changed <= at else pulse
            for pulse, changed in heartbeats.dated(at, wall)
        ]


def _read_whole(file: int) -> protocol.HeartbeatRecord | None:
    """A record that two readings agree on: only then no write came in between."""
    before = _copy(file)
    for _ in range(TRIES):
        after = _copy(file)
        if before == after:
            record = protocol.read_record(after)
            if record is not None:
                return record
        before = after
    return None


def _copy(file: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(file, protocol.RECORD_SIZE, 0)
    os.lseek(file, 0, os.SEEK_SET)
    return os.read(file, protocol.RECORD_SIZE)


def _pulse(record: protocol.HeartbeatRecord, at: float, wall: float) -> HeartbeatRead:
    fields = record._asdict()
    # The writer's own clock; the observer's `at` is what durations are measured with.
    del fields["changed"]
    return HeartbeatRead(at=at, wall=wall, **fields)
