"""The training's process tree, read with one look at the machine's process table per sample."""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from dualwatch import protocol
from dualwatch.collectors.processes.held_memory import HeldMemoryReader
from dualwatch.collectors.processes.roles import ORDER, OTHER, Roles
from dualwatch.core import cpu_list, process_identity, process_status, windows_threads
from dualwatch.core.proc import cpu_wait, major_faults, stat_fields
from dualwatch.core.text import clean
from dualwatch.events import ProcessesSampled, ProcessSample, ThreadWait

if TYPE_CHECKING:
    import psutil

_T = TypeVar("_T")

COMMAND_CHARS = 500
SAME_START_S = 1.0
"""Readings of one process's create time may differ by the clock's adjustments."""

_LINUX = sys.platform.startswith("linux")


@dataclass(slots=True)
class _Member:
    """A process of the tree. psutil's object compares the create time too."""

    process: psutil.Process
    created: float
    command: tuple[str, ...] = ()
    role: str = OTHER


class ProcessTree:
    """A process, its descendants, and those that once were.

    A descendant whose parent dies goes to init or to a subreaper; it stays a member, since its
    identity (pid, create time) is known from an earlier sample. ``sweep`` finds those that were
    never seen: started and orphaned between two samples.

    Args:
        root_pid: The training's own process.
        root_create_time: Its create time as psutil tells it; None takes whatever process has the
            pid now.
        marker: Value of ``protocol.ENV_MARKER`` in the environment of every descendant; "" for
            none.
    """

    def __init__(
        self, root_pid: int, root_create_time: float | None = None, marker: str = ""
    ) -> None:
        import psutil

        self.root_pid = root_pid
        self._marker = marker
        self._members: dict[int, _Member] = {}
        self._held = HeldMemoryReader()
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(root_pid)
            created = process_identity.created(root)
            if root_create_time is None or abs(created - root_create_time) <= SAME_START_S:
                self._members[root_pid] = _Member(root, created)

    @property
    def pids(self) -> tuple[int, ...]:
        """The members of the last sample or sweep, the root first."""
        return tuple(sorted(self._members, key=lambda pid: (pid != self.root_pid, pid)))

    def sample(self, at: float, wall: float) -> ProcessesSampled:
        """The whole tree now, main first. Processes that are gone are left out."""
        import psutil  # not at the top: it would slow every start of the program

        self._refresh()
        readings: dict[int, ProcessSample] = {}
        for pid, member in list(self._members.items()):
            try:
                readings[pid] = _read(member)
            except psutil.NoSuchProcess:
                del self._members[pid]
        commands = {pid: self._members[pid].command for pid in readings}
        parents = {pid: reading.ppid for pid, reading in readings.items()}
        roles = Roles(self.root_pid, commands, parents, forks=sys.platform != "win32")
        for pid, reading in readings.items():
            role = roles.of(pid)
            # Who lost its parent keeps the part that it had: nothing else tells it any more.
            if role != OTHER or reading.ppid in readings:
                self._members[pid].role = role
            readings[pid] = replace(reading, role=self._members[pid].role)
        held = self._held.read((self._members[pid].process for pid in readings), at)
        for pid in held.keys() & readings.keys():
            readings[pid] = replace(readings[pid], held=held[pid])
        order = sorted(readings, key=lambda pid: (ORDER.index(readings[pid].role), pid))
        return ProcessesSampled(at=at, wall=wall, processes=tuple(readings[pid] for pid in order))

    def sweep(self) -> tuple[tuple[int, float], ...]:
        """Looks at the environment of every process of the machine for the marker.

        Found ones become members. Dearer than a sample: for the start, the end and suspicion.

        Returns:
            (pid, create time) of those that were not members.
        """
        import psutil

        if not self._marker:
            return ()
        self._refresh()
        found: list[tuple[int, float]] = []
        for pid in psutil.pids():
            # The supervisor is no part of the tree, whoever started it.
            if pid in self._members or pid in (0, os.getpid()):
                continue
            if self._adopt(pid):
                found.append((pid, self._members[pid].created))
        return tuple(found)

    def _adopt(self, pid: int) -> bool:
        """Takes a process in if it carries the marker."""
        import psutil

        with contextlib.suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            if self._marker and process.environ().get(protocol.ENV_MARKER) == self._marker:
                self._members[pid] = _Member(process, process_identity.created(process))
                return True
        return False

    def _refresh(self) -> None:
        """Drops members that are gone, and adds the children of those that are not."""
        import psutil

        for pid, member in list(self._members.items()):
            if not member.process.is_running():
                del self._members[pid]
        children: dict[int, list[int]] = {}
        for pid, ppid in _parents().items():
            children.setdefault(ppid, []).append(pid)
        for pid in children.get(os.getpid(), ()):
            if pid not in self._members:
                self._adopt(pid)  # An orphan, where we are the subreaper.
        queue = list(self._members)
        while queue:
            parent = queue.pop()
            for pid in children.get(parent, ()):
                if pid in self._members or pid == os.getpid():
                    continue
                with contextlib.suppress(psutil.Error):
                    child = psutil.Process(pid)
                    # A child is not older than its parent: else the pid was given anew meanwhile.
                    created = process_identity.created(child)
                    if created >= self._members[parent].created:
                        self._members[pid] = _Member(child, created)
                        queue.append(pid)


def sample_one(process: psutil.Process, role: str) -> ProcessSample | None:
    """Samples one process outside a tree; None where it is gone."""
    import psutil

    try:
        return replace(_read(_Member(process, process_identity.created(process))), role=role)
    except psutil.NoSuchProcess:
        return None


def describe(pids: Iterable[int]) -> str:
    """Processes with what each is doing: "pid 12 (disk-sleep in nfs_wait), pid 13 (gone)"."""
    import psutil

    words: list[str] = []
    for pid in pids:
        state = "gone"
        with contextlib.suppress(psutil.Error):
            state = process_status.of(psutil.Process(pid))
            place = _wchan(pid)
            state += f" in {place}" if place else ""
        words.append(f"pid {pid} ({state})")
    return ", ".join(words)


def _parents() -> dict[int, int]:
    """pid -> parent's pid for all processes of the machine."""
    import psutil

    if not _LINUX:
        return {
            process.pid: process.info["ppid"]
            for process in psutil.process_iter(["ppid"])
            if process.info["ppid"] is not None
        }
    # psutil makes an object for each process, which costs ten times as much as this.
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parents[int(name)] = int(stat_fields(int(name))[1])
    return parents


def _read(member: _Member) -> ProcessSample:
    """One process; what cannot be read is None.

    Raises:
        psutil.NoSuchProcess: It is gone.
    """
    import psutil

    process = member.process
    with process.oneshot():
        status = process_status.of(process)
        zombie = status == psutil.STATUS_ZOMBIE
        if not zombie:
            with contextlib.suppress(psutil.AccessDenied, psutil.ZombieProcess, OSError):
                # Read anew each time: a fresh child has its parent's until it calls exec.
                member.command = tuple(process.cmdline())
        return ProcessSample(
            pid=process.pid,
            create_time=member.created,
            ppid=process.ppid(),
            role="other",
            status=status,
            cpu_s=_value(lambda: sum(process.cpu_times()[:2])),
            io_bytes=None if zombie else _value(lambda: _io(process)),
            rss=None if zombie else _value(lambda: int(process.memory_info().rss)),
            threads=None if zombie else _value(lambda: int(process.num_threads())),
            wchan=_wchan(process.pid),
            command=clean(" ".join(member.command) or process.name(), COMMAND_CHARS),
            open_files=None if zombie else _value(lambda: _open_files(process)),
            cpu_wait_s=_value(lambda: cpu_wait(process.pid)) if _LINUX and not zombie else None,
            cpus="" if zombie else _value(lambda: cpu_list.of(process.cpu_affinity())) or "",
            wait=_wait(process.pid),
        )


def _value(read: Callable[[], _T]) -> _T | None:
    """A reading, None where the system does not give it; a vanished process raises."""
    import psutil

    try:
        return read()
    except psutil.ZombieProcess:
        return None
    except psutil.NoSuchProcess:
        raise
    except (psutil.Error, OSError, AttributeError, NotImplementedError):
        return None


def _io(process: psutil.Process) -> int:
    counters = process.io_counters()
    # On Linux the "chars" count what went through read and write, page cache and pipes included;
    # the others count the device only, where a cached dataset would look idle.
    if hasattr(counters, "read_chars"):
        # Libraries are mapped, not read: an import from a cold disk or over the network would look
        # idle for minutes.
        fetched = major_faults(process.pid) * mmap.PAGESIZE
        return int(counters.read_chars + counters.write_chars) + fetched
    return int(counters.read_bytes + counters.write_bytes)


def _open_files(process: psutil.Process) -> int:
    """Descriptors; on Windows the handles, which are what runs out there."""
    if sys.platform == "win32":
        return int(process.num_handles())
    return int(process.num_fds())


_WAITS = {
    # As Windows numbers the reasons of its kernel.
    **dict.fromkeys((6, 13), ThreadWait.OBJECT),
    37: ThreadWait.ADDRESS,
    **dict.fromkeys((0, 7), ThreadWait.IO),
    **dict.fromkeys((4, 11), ThreadWait.DELAY),
    **dict.fromkeys((2, 9, 18, 19), ThreadWait.MEMORY),
    **dict.fromkeys((16, 17), ThreadWait.MESSAGE),
}


def _wait(pid: int) -> ThreadWait | None:
    """Why the first thread of a process of Windows waits; None where that is not shown."""
    if sys.platform == "win32":
        reason = windows_threads.first_waits(pid)
        return None if reason is None else _WAITS.get(reason)
    return None


def _wchan(pid: int) -> str:
    """Kernel function that the process sleeps in, "" where none is shown."""
    if not _LINUX:
        return ""
    try:
        name = Path("/proc", str(pid), "wchan").read_text("ascii", "replace").strip()
    except OSError:
        return ""
    return "" if name == "0" else name
