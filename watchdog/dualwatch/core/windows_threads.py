"""The threads of Windows' processes: suspended or not, waiting or not.

Windows has no state of a process. psutil calls one stopped if every thread waits for "suspended",
else running. Here the number of suspensions of each thread counts, which is also known where the
reason of the wait is not, and a process whose threads all wait sleeps.
"""

from __future__ import annotations

import ctypes
import enum
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

_SYSTEM_PROCESSES = 5  # NtQuerySystemInformation: SystemProcessInformation
_SUSPEND_COUNT = 35  # NtQueryInformationThread: ThreadSuspendCount, since Windows 8.1
_TOO_SMALL = 0xC0000004
_MAY_LOOK = 0x0040  # THREAD_QUERY_INFORMATION
_MORE = 1 << 16

_NEXT = struct.Struct("<II")  # Offset of the next process, number of threads.
_PID_AT, _THREADS_AT = 0x50, 0x100
_THREAD = struct.Struct("<16xQI12xQQiiIII4x")
"""Create time, wait time, process, thread, two priorities, switches, state, reason of the wait."""

_WAITING, _BECAUSE_SUSPENDED = 5, 5


class ThreadsState(enum.Enum):
    """What all threads of a process have in common."""

    SUSPENDED = "suspended"
    WAITING = "waiting"


class Thread(NamedTuple):
    """A thread of a process; ``state`` and ``reason`` as Windows numbers them, 0 where unknown."""

    number: int
    state: int
    reason: int
    created: int = 0


def state(pid: int) -> ThreadsState | None:
    """What all threads of a process do; None where they differ, run, or cannot be read."""
    threads = _threads(pid)
    if not threads:
        return None
    waiting = [thread.state == _WAITING for thread in threads]
    if all(
        (waits and thread.reason == _BECAUSE_SUSPENDED) or _is_suspended(thread.number)
        for waits, thread in zip(waiting, threads, strict=True)
    ):
        return ThreadsState.SUSPENDED
    return ThreadsState.WAITING if all(waiting) else None


def reason_of_first(threads: Sequence[Thread]) -> int | None:
    """Why the first thread of a process waits, as Windows numbers it; None where it does not."""
    first = min(threads, key=lambda thread: thread.created, default=None)
    return first.reason if first is not None and first.state == _WAITING else None


def first_waits(pid: int) -> int | None:
    """The same of a process; None also where that cannot be read (Wine does not show it)."""
    return reason_of_first(_threads(pid))


def parse(table: bytes, pid: int) -> tuple[Thread, ...]:
    """The threads of a process in the system's table of processes; () where it is not there."""
    for at, count in _processes(table):
        if struct.unpack_from("<Q", table, at + _PID_AT)[0] == pid:
            rows = (
                _THREAD.unpack_from(table, at + _THREADS_AT + _THREAD.size * index)
                for index in range(count)
            )
            return tuple(Thread(row[3], row[7], row[8], row[0]) for row in rows)
    return ()


def _processes(table: bytes) -> Iterator[tuple[int, int]]:
    """The place of each process, and the number of its threads."""
    at = 0
    while at + _THREADS_AT <= len(table):
        step, count = _NEXT.unpack_from(table, at)
        if at + _THREADS_AT + _THREAD.size * count > len(table):
            return
        yield at, count
        if not step:
            return
        at += step


def _threads(pid: int) -> tuple[Thread, ...]:
    if ctypes.sizeof(ctypes.c_void_p) != 8:
        return ()  # Another layout, in which nobody trains.
    ntdll = _library("ntdll")
    size = ctypes.c_ulong(1 << 20)
    # The table grows between two calls.
    for _ in range(5):
        table = ctypes.create_string_buffer(size.value + _MORE)
        status = ntdll.NtQuerySystemInformation(
            _SYSTEM_PROCESSES, table, len(table), ctypes.byref(size)
        )
        if status & 0xFFFFFFFF != _TOO_SMALL:
            return parse(table.raw, pid) if status >= 0 else ()
    return ()


def _is_suspended(thread: int) -> bool:
    kernel32, ntdll = _library("kernel32"), _library("ntdll")
    kernel32.OpenThread.restype = ctypes.c_void_p
    handle = kernel32.OpenThread(_MAY_LOOK, False, thread)
    if not handle:
        return False
    try:
        count = ctypes.c_ulong(0)
        status = ntdll.NtQueryInformationThread(
            ctypes.c_void_p(handle), _SUSPEND_COUNT, ctypes.byref(count), 4, None
        )
        return status >= 0 and count.value > 0
    finally:
        kernel32.CloseHandle(ctypes.c_void_p(handle))


def _library(name: str) -> Any:
    if sys.platform == "win32":
        return ctypes.WinDLL(name)
    raise OSError("not Windows")
