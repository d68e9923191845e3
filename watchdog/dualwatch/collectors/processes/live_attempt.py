"""Finds a training of an earlier dualwatch that still runs in a work dir.

A training outlives its supervisor. A second one beside it would write the same checkpoints.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from dualwatch import protocol
from dualwatch.collectors.agent_files.heartbeat import HeartbeatFiles
from dualwatch.collectors.processes.tree import SAME_START_S
from dualwatch.core import process_identity
from dualwatch.events import AttemptEnded, AttemptStarted, sampling

if TYPE_CHECKING:
    import psutil


class NewestAttempt(NamedTuple):
    """Start and end of the newest attempt in a journal; None for what it does not hold."""

    started: AttemptStarted | None = None
    ended: AttemptEnded | None = None


def newest_attempt(folder: Path) -> NewestAttempt:
    """The newest attempt of a journal, its start and end alone.

    Args:
        folder: ``WORK_DIR/dualwatch``.
    """
    newest = NewestAttempt()
    with contextlib.suppress(OSError):
        path = folder / "journal.jsonl"
        for event in sampling.sample(path, {AttemptStarted: None, AttemptEnded: None}):
            if isinstance(event, AttemptStarted):
                newest = NewestAttempt(event)
            elif isinstance(event, AttemptEnded):
                newest = newest._replace(ended=event)
    return newest


def living_attempt(folder: Path, newest: AttemptStarted | None) -> AttemptStarted | None:
    """The newest attempt of a work dir, if any of its processes is alive.

    The main process is identified by pid and create time, any other by its environment: a launcher
    may be gone while its ranks continue, and the wall clock may have been set since. Loader workers
    whose main process is gone are orphans; the heartbeats distinguish them from ranks.

    Args:
        folder: ``WORK_DIR/dualwatch``.
        newest: The newest attempt of the journal, which has not ended; None where there is none.

    Returns:
        None where nothing lives. Where main is gone, pid and create time are those of the oldest
        process that is left.
    """
    alive = _alive(folder, newest)
    if not alive:
        return None
    for process, created in alive:
        if newest is not None and process.pid == newest.pid:
            return replace(newest, create_time=created)
    if newest is not None and (ranks := _ranks(folder / f"attempt-{newest.attempt}")):
        alive = [one for one in alive if one[0].pid in ranks]
        if not alive:
            return None
    process, created = min(alive, key=lambda one: one[1])
    if newest is not None:
        return replace(newest, pid=process.pid, create_time=created)
    return _unrecorded(process, created)


def _ranks(attempt_dir: Path) -> set[int]:
    """The processes that wrote the heartbeats of an attempt; none before its first one."""
    with HeartbeatFiles(attempt_dir) as heartbeats:
        return {pulse.pid for pulse in heartbeats.poll(0.0, 0.0)}


def _alive(folder: Path, newest: AttemptStarted | None) -> list[tuple[psutil.Process, float]]:
    """Living processes of the attempt, or of any attempt where the journal has none."""
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
            if _is_main(process.pid, created, newest) or _belongs(process, place, newest):
                alive.append((process, created))
    return alive


def _is_main(pid: int, created: float, newest: AttemptStarted | None) -> bool:
    if newest is None or pid != newest.pid:
        return False
    return abs(created - newest.create_time) <= SAME_START_S


def _belongs(process: psutil.Process, place: str, newest: AttemptStarted | None) -> bool:
    own = _attempt_dir(process)
    if newest is None:
        return os.path.dirname(own) == place
    return own == os.path.join(place, f"attempt-{newest.attempt}")


def _attempt_dir(process: psutil.Process) -> str:
    own = process.environ().get(protocol.ENV_ATTEMPT_DIR, "")
    return os.path.realpath(own) if own else ""


def _unrecorded(process: psutil.Process, created: float) -> AttemptStarted:
    """An attempt that is in no journal, which could not be written."""
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
