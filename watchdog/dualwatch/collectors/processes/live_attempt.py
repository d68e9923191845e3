"""Whether a training of an earlier dualwatch still lives in this work dir.

It outlives its supervisor. To start a second one beside it would let both write the same
checkpoints.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from dualwatch import protocol
from dualwatch.collectors.agent_files.heartbeat import HeartbeatFiles
from dualwatch.collectors.processes.tree import SAME_START_S
from dualwatch.core import process_identity
from dualwatch.events import AttemptEnded, AttemptStarted, journal

if TYPE_CHECKING:
    import psutil


def living_attempt(folder: Path) -> AttemptStarted | None:
    """The newest attempt that a work dir's journal tells of, if any of its processes is alive.

    The main process is known by its pid and create time, and any other by what its environment
    says: a launcher may be gone while its ranks go on, and the wall clock may have been set since.
    Of an attempt that has ended in order, what lives are orphans: none of this module's matters.
    So are loader workers whose main process is gone, which the heartbeats tell from ranks.

    Args:
        folder: ``WORK_DIR/dualwatch``.

    Returns:
        None where nothing lives. Where main is gone, pid and create time are those of the oldest
        process that is left.
    """
    told = _newest(folder / "journal.jsonl")
    if isinstance(told, AttemptEnded):
        return None
    alive = _alive(folder, told)
    if not alive:
        return None
    for process, created in alive:
        if told is not None and process.pid == told.pid:
            return replace(told, create_time=created)
    if told is not None and (ranks := _ranks(folder / f"attempt-{told.attempt}")):
        alive = [one for one in alive if one[0].pid in ranks]
        if not alive:
            return None
    process, created = min(alive, key=lambda one: one[1])
    if told is not None:
        return replace(told, pid=process.pid, create_time=created)
    return _untold(process, created)


def _ranks(attempt_dir: Path) -> set[int]:
    """The processes that the heartbeats of an attempt are of; none before a Runner was built."""
    with HeartbeatFiles(attempt_dir) as heartbeats:
        return {pulse.pid for pulse in heartbeats.poll(0.0, 0.0)}


def _newest(path: Path) -> AttemptStarted | AttemptEnded | None:
    """The last that a journal tells of an attempt; a cut line is passed over."""
    with contextlib.suppress(OSError):
        # Where the newest line is cut, the one before it is found from the beginning.
        for start in dict.fromkeys((journal.newest(path, AttemptStarted), 0)):
            last: AttemptStarted | AttemptEnded | None = None
            for event in journal.read(path, start):
                if isinstance(event, (AttemptStarted, AttemptEnded)):
                    last = event
            if last is not None:
                return last
    return None


def _alive(folder: Path, told: AttemptStarted | None) -> list[tuple[psutil.Process, float]]:
    """Living processes of the attempt, or of any attempt where the journal tells of none."""
    import psutil

    place = os.path.realpath(folder)
    alive: list[tuple[psutil.Process, float]] = []
    for pid in psutil.pids():
        if pid in (0, os.getpid()):
            continue
        with contextlib.suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            created = process_identity.created(process)
            if _is_main(process.pid, created, told) or _belongs(process, place, told):
                alive.append((process, created))
    return alive


def _is_main(pid: int, created: float, told: AttemptStarted | None) -> bool:
    if told is None or pid != told.pid:
        return False
    return abs(created - told.create_time) <= SAME_START_S


def _belongs(process: psutil.Process, place: str, told: AttemptStarted | None) -> bool:
    own = _attempt_dir(process)
    if told is None:
        return os.path.dirname(own) == place
    return own == os.path.join(place, f"attempt-{told.attempt}")


def _attempt_dir(process: psutil.Process) -> str:
    own = process.environ().get(protocol.ENV_ATTEMPT_DIR, "")
    return os.path.realpath(own) if own else ""


def _untold(process: psutil.Process, created: float) -> AttemptStarted:
    """An attempt that no journal tells of, since that could not be written."""
    import psutil

    command: tuple[str, ...] = ()
    number = 0
    with contextlib.suppress(psutil.Error, OSError):
        command = tuple(process.cmdline())
        found = re.search(r"attempt-(\d+)$", _attempt_dir(process))
        number = int(found.group(1)) if found else 0
    return AttemptStarted(
        at=0.0,
        wall=created,
        attempt=number,
        pid=process.pid,
        create_time=created,
        command=command,
        overrides={},
    )
