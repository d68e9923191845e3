"""The heartbeat: one memory-mapped record, written without a system call."""

from __future__ import annotations

import os
import time

from dualwatch import protocol
from dualwatch.agent import mapped_file

_NUMBER = {phase: number for number, phase in enumerate(protocol.PHASES)}


class HeartbeatWriter:
    """Writes this rank's heartbeat record.

    The file is mapped once; a beat is two stores into the page, so a training pays about a
    microsecond for it, and the last beat can be read when the process is frozen or dead.

    Args:
        folder: The attempt's folder.
        rank: Rank of this process.
    """

    def __init__(self, folder: str, rank: int) -> None:
        path = os.path.join(folder, protocol.heartbeat_file(rank))
        self._buffer = mapped_file.mapped(path, protocol.RECORD_SIZE)
        self._sequence = 0
        self._pid = os.getpid()
        self.rank = rank
        self.phase = protocol.Phase.STARTING
        self.beats = 0
        self.epoch = 0
        self.begun = -1
        self.iteration = 0
        self.batch = 0
        self.batches = 0
        self.max_epochs = 0
        self.max_iterations = 0

    def beat(self, phase: str) -> None:
        """Enters a phase and writes the record."""
        self.phase = phase
        self.beats += 1
        self._sequence = protocol.write_record(
            self._buffer,
            self._sequence,
            (
                self._pid,
                self.rank,
                _NUMBER[phase],
                self.beats,
                self.epoch,
                self.begun,
                self.iteration,
                self.batch,
                self.batches,
                self.max_epochs,
                self.max_iterations,
                time.monotonic(),
            ),
        )
