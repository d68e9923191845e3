"""What was seen of a rehearsal."""

from __future__ import annotations

from dataclasses import dataclass, field

from dualwatch.protocol.rehearsal import Document, StepDocument
from dualwatch.state.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the rehearsal needed of the machine, in bytes; None for what could not be read.

    Attributes:
        memory_used: The most that all processes of the training held together; pages that they
            share count more than once.
        memory_total: Of the machine, or the limit of its container.
        disk: Folder of the file system on which the checkpoints of the training will lie.
        disk_free: Bytes of it.
        storage: Paths of data and work dir, with the seconds until their storage responded; None
            for those that did not in ``storage_limit`` seconds.
    """

    memory_used: int | None = None
    memory_total: int | None = None
    disk: str = ""
    disk_free: int | None = None
    storage: tuple[tuple[str, float | None], ...] = ()
    storage_limit: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A rehearsal that was not interrupted.

    Attributes:
        document: What the agent noted; None where no training loop was reached.
        required: Metrics that must be trained.
        exit_code: Of the training's process; None where it was ended.
        timed_out: Whether it was ended at the time limit.
        last_line: The last line that it printed.
        seconds: From its start to its end.
        inside: What the agent observed of the model and of the batches.
        machine: What it needed of the machine.
    """

    document: Document | None
    required: tuple[str, ...] = ()
    exit_code: int | None = None
    timed_out: bool = False
    last_line: str = ""
    seconds: float = 0.0
    inside: Snapshot = field(default_factory=Snapshot)
    machine: Machine = field(default_factory=Machine)

    @property
    def unread(self) -> list[str]:
        """Paths whose storage did not respond: the training was not started."""
        return [path for path, seconds in self.machine.storage if seconds is None]

    def step(self, name: str) -> StepDocument | None:
        """A step that was begun."""
        steps = self.document["steps"] if self.document is not None else []
        return next((step for step in steps if step["name"] == name), None)
