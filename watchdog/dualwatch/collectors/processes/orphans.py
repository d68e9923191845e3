"""Processes that outlived their training: they hold memory, locks and ports of the next one.

A process of a supervised attempt is identified by its environment. Any other counts only where it
is certainly a worker of torch's loader whose parent is gone: users kill what is named here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dualwatch import protocol
from dualwatch.collectors.processes import lineage
from dualwatch.collectors.processes.roles import OTHER, TRACKER, WORKER, is_python
from dualwatch.collectors.processes.trainings import command_values
from dualwatch.collectors.processes.tree import SAME_START_S, sample_one
from dualwatch.core import process_identity
from dualwatch.events import OrphansSeen

if TYPE_CHECKING:
    import psutil

MAX_NAMED = 100

_SPAWNED = "--multiprocessing-fork"
_TRACKER = "multiprocessing.resource_tracker import"
_FORK_SERVER = "multiprocessing.forkserver import"


@dataclass(slots=True)
class _ForeignProcess:
    """A process outside of the tree, with what is asked of it more than once."""

    process: psutil.Process
    created: float
    command: tuple[str, ...]
    attempt_dir: str
    marker: str

    @property
    def copy(self) -> bool:
        return lineage.is_copy(self.process.pid)

    @property
    def role(self) -> str:
        words = " ".join(self.command)
        if _TRACKER in words or (_FORK_SERVER in words and not self.copy):
            return TRACKER
        if not is_python(self.command):
            return OTHER
        return WORKER if self.copy or _SPAWNED in self.command else OTHER


@dataclass(frozen=True, slots=True)
class RecordedAttempt:
    """An attempt as its journal has it; ``folder`` is its ``attempt-N``."""

    folder: Path
    pid: int
    create_time: float
    ended: bool


RecordedAttempts = Callable[[Path], Iterable[RecordedAttempt]]
"""Gives the attempts that the journals of a ``WORK_DIR/dualwatch`` have, of earlier runs too."""


def find(
    work_dir: Path | None,
    tree: Collection[int],
    *,
    at: float,
    wall: float,
    recorded: RecordedAttempts = lambda folder: (),
) -> OrphansSeen | None:
    """Looks through all processes of the machine for those of an earlier, dead training.

    Args:
        work_dir: Only those of trainings that wrote there; None for any.
        tree: Processes of the training that is supervised now, which are not orphans.
        at, wall: Times of the event.
        recorded: Called for the work dirs in which supervised processes were found.

    Returns:
        None where there are none.
    """
    place = None if work_dir is None else os.path.realpath(work_dir)
    marked: dict[tuple[str, str], list[_ForeignProcess]] = {}
    found: list[_ForeignProcess] = []
    for stranger in _strangers(tree):
        if stranger.attempt_dir:
            inside = os.path.realpath(stranger.attempt_dir)
            if place is None or inside.startswith(os.path.join(place, "dualwatch") + os.sep):
                marked.setdefault((inside, stranger.marker), []).append(stranger)
        elif _is_orphan(stranger, place):
            found.append(stranger)
    for (attempt_dir, _), group in marked.items():
        name = os.path.basename(attempt_dir)
        own = [one for one in recorded(Path(attempt_dir).parent) if one.folder.name == name]
        if _is_over(own, group, tree):
            found += group
    samples = [sample_one(stranger.process, stranger.role) for stranger in found[:MAX_NAMED]]
    alive = tuple(sample for sample in samples if sample is not None)
    return OrphansSeen(at=at, wall=wall, processes=alive) if alive else None


def _strangers(tree: Collection[int]) -> Iterator[_ForeignProcess]:
    """Live processes of our own user outside the tree, without dualwatch itself."""
    import psutil

    ourselves = {os.getpid()}
    with contextlib.suppress(psutil.Error):
        ourselves.update(parent.pid for parent in psutil.Process().parents())
    for pid in psutil.pids():
        if pid in tree or pid in ourselves or pid in (0, 1):
            continue
        with contextlib.suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            with process.oneshot():
                if not _is_of_our_user(process) or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                command = tuple(process.cmdline())
                if not command:
                    continue  # a thread of the kernel, or one on its way out
                environment = process.environ()
                yield _ForeignProcess(
                    process=process,
                    created=process_identity.created(process),
                    command=command,
                    attempt_dir=environment.get(protocol.ENV_ATTEMPT_DIR, ""),
                    marker=environment.get(protocol.ENV_MARKER, ""),
                )


def _is_of_our_user(process: psutil.Process) -> bool:
    if os.name != "posix":
        return True  # another user's cannot be read there at all
    return os.geteuid() == 0 or process.uids().real == os.getuid()


# --- of a supervised attempt ---------------------------------------------------------------


def _is_over(
    attempts: list[RecordedAttempt], group: list[_ForeignProcess], tree: Collection[int]
) -> bool:
    """Whether the attempt that these processes belong to is certainly over."""
    alive = {stranger.process.pid: stranger.created for stranger in group}
    for one in attempts:
        if abs(alive.get(one.pid, 0.0) - one.create_time) <= SAME_START_S:
            return False
    # The group's own attempt is the last that was started before all of it: the folder's name
    # is not enough, since a later run in the same place uses it again.
    first = min(alive.values()) + SAME_START_S
    before = [one for one in attempts if one.create_time <= first]
    attempt = max(before, key=lambda one: one.create_time, default=None)
    if attempt is None or attempt.pid in tree:
        return False
    # A training may continue without its launcher or supervisor: its ranks decide.
    return attempt.ended or not alive.keys() & _ranks(attempt.folder)


def _ranks(folder: Path) -> set[int]:
    """Pids of the processes that trained, by their heartbeats."""
    pids: set[int] = set()
    for path in folder.glob("heartbeat-*.bin"):
        with contextlib.suppress(OSError):
            record = protocol.read_record(path.read_bytes()[: protocol.RECORD_SIZE])
            if record is not None:
                pids.add(record.pid)
    return pids


# --- of any other training -----------------------------------------------------------------


def _is_orphan(stranger: _ForeignProcess, place: str | None) -> bool:
    """Whether it is a loader worker without a parent, of the work dir if one is given."""
    import psutil

    process = stranger.process
    if not is_python(stranger.command) or not lineage.is_loader_worker(process.pid):
        return False
    try:
        if _SPAWNED in stranger.command or _FORK_SERVER in " ".join(stranger.command):
            lost = lineage.lost_its_parent(_started_by_main(process), copy=False)
            return lost and (place is None or _works_above(process, place))
        if not stranger.copy or not lineage.lost_its_parent(process, copy=True):
            return False
        # One that has workers itself is a training that put itself into the background.
        if any(child.cmdline() == list(stranger.command) for child in process.children()):
            return False
        return place is None or _names(stranger, place)
    except (psutil.Error, OSError):
        return False


def _started_by_main(process: psutil.Process) -> psutil.Process:
    """The process, or the fork server that it came out of: that lives as long as its workers."""
    parent = process.parent()
    return parent if parent is not None and parent.cmdline() == process.cmdline() else process


def _works_above(process: psutil.Process, place: str) -> bool:
    """Whether it was started in a folder that contains the work dir, which its command lacks."""
    cwd = Path(os.path.realpath(process.cwd()))
    return cwd not in (Path(cwd.anchor), Path.home()) and Path(place).is_relative_to(cwd)


def _names(stranger: _ForeignProcess, place: str) -> bool:
    """Whether its training's command line or open log leads to the work dir."""
    cwd = Path(stranger.process.cwd())
    for what, path in command_values(stranger.command, cwd):
        # Without a work dir, a training script takes the configuration's name.
        named = path if what == "work-dir" else cwd / "work_dirs" / path.stem
        if os.path.realpath(named) == place:
            return True
    return any(file.path.startswith(place + os.sep) for file in stranger.process.open_files())
