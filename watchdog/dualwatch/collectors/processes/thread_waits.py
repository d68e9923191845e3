"""What each thread of some processes waits for, and who could end that, by ``/proc`` of Linux.

A thread that sleeps in a lock's system call without a time limit wakes only when another thread
releases the lock. Who that may be follows from the lock: of memory of one process, only its own
threads; of shared memory, the processes that have it mapped; of a file, its holder.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import sys
from collections.abc import Collection
from typing import NamedTuple

import psutil

from dualwatch.collectors.processes import file_locks
from dualwatch.core.deadline import TimedCall
from dualwatch.core.text import clean
from dualwatch.events import WaitKind, WaitSeen

MOST_THREADS = 512
"""Of a process with more, nothing is known."""

LENGTH = 200
TIMEOUT = 5.0

_timed = TimedCall("dualwatch-waits")


class _Calls(NamedTuple):
    """Numbers of system calls."""

    futex: int
    fcntl: int
    flock: int


_CALLS = {"x86_64": _Calls(202, 72, 73), "aarch64": _Calls(98, 25, 32)}

_FUTEX_WAITS = frozenset((0, 6, 9, 11, 13))
"""WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2; their fourth argument is the limit."""

_PRIVATE, _REALTIME = 128, 256
_LOCK_AND_WAIT = frozenset((7, 38))
"""F_SETLKW and F_OFD_SETLKW."""

_ENDS_BY_ALARM = 1 << (getattr(signal, "SIGALRM", 14) - 1)


class _Call(NamedTuple):
    """The system call that a thread sleeps in.

    Attributes:
        address: Of the lock in memory, None for a lock of a file.
        private: Whether only threads of its own process can know that lock.
    """

    kind: WaitKind
    endless: bool
    address: int | None = None
    private: bool = False


class _Mapping(NamedTuple):
    """A mapped region: its permissions, device, inode, and path."""

    permissions: str
    device: str
    inode: str
    path: str


def are_shown() -> bool:
    """Whether this system shows what threads wait for."""
    return sys.platform.startswith("linux") and platform.machine() in _CALLS


def look(pids: Collection[int]) -> tuple[WaitSeen, ...]:
    """What the threads of some processes wait for; of a process that cannot be read, nothing.

    Nothing at all where it takes too long: the memory map of a process that waits for dead storage
    may be locked.
    """
    if not are_shown():
        return ()
    try:
        return _timed(lambda: _look(pids), TIMEOUT)
    except TimeoutError:
        return ()


def _look(pids: Collection[int]) -> tuple[WaitSeen, ...]:
    calls = _CALLS[platform.machine()]
    holders = file_locks.holders(pids)
    users: dict[tuple[str, str], tuple[int, ...] | None] = {}
    found: list[WaitSeen] = []
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            found += _of_process(pid, pids, calls, holders.get(pid), users)
    return tuple(found)


def _of_process(
    pid: int,
    pids: Collection[int],
    calls: _Calls,
    holders: tuple[int, ...] | None,
    users: dict[tuple[str, str], tuple[int, ...] | None],
) -> list[WaitSeen]:
    threads = sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))
    if len(threads) > MOST_THREADS:
        return []
    alarm = _handles_alarm(_text(f"/proc/{pid}/status"))
    maps: str | None = None
    waits = []
    for tid in threads:
        state = _text(f"/proc/{pid}/task/{tid}/stat").rpartition(")")[2].split()[0]
        if state == "T":
            waits.append(WaitSeen(pid=pid, tid=tid, kind=WaitKind.STOPPED))
            continue
        call = parse_call(_text(f"/proc/{pid}/task/{tid}/syscall"), calls)
        if call is None or state != "S":
            waits.append(WaitSeen(pid=pid, tid=tid, kind=WaitKind.OTHER))
            continue
        freed_by, what = holders, "file"
        if call.address is not None:
            what = f"{call.address:#x}"
            mapping = None
            if not call.private:
                maps = maps if maps is not None else _text(f"/proc/{pid}/maps")
                mapping = mapping_at(maps, call.address)
                what += f" of {mapping.path or mapping.inode}" if mapping is not None else ""
            freed_by = (pid,)
            if mapping is not None and mapping.permissions.endswith("s"):
                key = (mapping.device, mapping.inode)
                if key not in users:
                    users[key] = _users(mapping, pids) if _is_inherited(mapping) else None
                freed_by = users[key]
            elif mapping is None and not call.private:
                freed_by = None
        waits.append(
            WaitSeen(
                pid=pid,
                tid=tid,
                kind=call.kind,
                endless=call.endless and not alarm,
                freed_by=freed_by,
                what=clean(what, LENGTH),
            )
        )
    return waits


def parse_call(text: str, calls: _Calls) -> _Call | None:
    """The lock's system call in ``/proc/PID/task/TID/syscall``; None where it is another one."""
    words = text.split()
    if len(words) < 7 or not words[0].isdecimal():
        return None
    number = int(words[0])
    arguments = [int(word, 16) for word in words[1:7]]
    if number == calls.futex:
        if arguments[1] & ~(_PRIVATE | _REALTIME) not in _FUTEX_WAITS:
            return None
        is_private = bool(arguments[1] & _PRIVATE)
        return _Call(WaitKind.MEMORY_LOCK, arguments[3] == 0, arguments[0], is_private)
    if number == calls.flock or (number == calls.fcntl and arguments[1] in _LOCK_AND_WAIT):
        return _Call(WaitKind.FILE_LOCK, endless=True)
    return None


def mapping_at(maps: str, address: int) -> _Mapping | None:
    """The region of ``/proc/PID/maps`` that holds an address."""
    for line in maps.splitlines():
        words = line.split(maxsplit=5)
        if len(words) < 5:
            continue
        start, _, end = words[0].partition("-")
        if int(start, 16) <= address < int(end, 16):
            path = words[5] if len(words) > 5 else ""
            return _Mapping(words[1], words[3], words[4], path)
    return None


def _is_inherited(mapping: _Mapping) -> bool:
    """Whether no process can have this memory that did not inherit it, or get it from its parent.

    A semaphore that has a name of its own, or a file, can be opened by anybody.
    """
    path = mapping.path
    if path.startswith("/dev/shm/"):
        # The path of its creator is that of a file that was renamed; the inode has the name.
        name = _name_in_shm(mapping.inode)
        return name == "" or name.startswith("sem.mp-")
    return path.endswith("(deleted)") and not path.startswith("/SYSV")


def _name_in_shm(inode: str) -> str:
    try:
        with os.scandir("/dev/shm") as entries:
            return next((e.name for e in entries if str(e.inode()) == inode), "")
    except OSError:
        return "?"


def _users(mapping: _Mapping, pids: Collection[int]) -> tuple[int, ...] | None:
    """The processes that have a region mapped; None where one of the tree cannot be read."""
    key = f" {mapping.device} {mapping.inode} "
    found = []
    for pid in dict.fromkeys((*pids, *psutil.pids())):
        try:
            maps = _text(f"/proc/{pid}/maps")
        except FileNotFoundError:
            continue
        except OSError:
            if pid in pids and os.path.exists(f"/proc/{pid}"):
                return None
            continue  # Of another user, who has not inherited it.
        if key in maps:
            found.append(pid)
    return tuple(found)


def _handles_alarm(status: str) -> bool:
    """Whether a process has a handler for SIGALRM, which may end any wait."""
    line = next((line for line in status.splitlines() if line.startswith("SigCgt:")), "")
    return not line or bool(int(line.split()[1], 16) & _ENDS_BY_ALARM)


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
