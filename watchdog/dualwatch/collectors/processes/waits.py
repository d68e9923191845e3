"""What the processes of a tree wait for outside of themselves, beside a capture of their stacks."""

from __future__ import annotations

from dualwatch.collectors.processes import build_locks, file_locks, transfers
from dualwatch.events import Event, ProcessesSampled, StacksCaptured


def look(
    sample: ProcessesSampled, captured: StacksCaptured | None, *, at: float, wall: float
) -> list[Event]:
    """File locks with their holders, and what is outside of the tree."""
    pids = {process.pid for process in sample.processes}
    locks = file_locks.look(pids, at=at, wall=wall)
    found: list[Event] = [locks] if locks is not None else []
    return found + (outside(captured, at=at, wall=wall) if captured is not None else [])


def outside(captured: StacksCaptured, *, at: float, wall: float) -> list[Event]:
    """Lock files of builds and data of downloads that the captured processes wait for.

    Others may work for them: it is read again and again, without another capture.
    """
    found = (
        build_locks.look(captured.stacks, at=at, wall=wall),
        transfers.look(captured.stacks, at=at, wall=wall),
    )
    return [event for event in found if event is not None]
