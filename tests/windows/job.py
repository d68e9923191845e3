"""A job object of Windows around a program: what of it still runs when the program has ended."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import psutil

PROCESS_LIST = 3
MOST = 512


class _ProcessList(ctypes.Structure):
    _fields_ = [
        ("assigned", ctypes.c_uint32),
        ("listed", ctypes.c_uint32),
        ("pids", ctypes.c_size_t * MOST),
    ]


class Job:
    """Contains a process and all that it starts from now on, whoever's child that is later.

    Args:
        handle: Of the process.
    """

    def __init__(self, handle: int) -> None:
        self._calls = _kernel32()
        self._job = self._calls.CreateJobObjectW(None, None)
        if not self._job or not self._calls.AssignProcessToJobObject(self._job, handle):
            raise OSError("no job object")

    def processes(self) -> list[int]:
        """The processes that run in it.

        Raises:
            OSError: Windows does not say.
        """
        found = _ProcessList()
        size = ctypes.sizeof(found)
        address = ctypes.byref(found)
        if not self._calls.QueryInformationJobObject(self._job, PROCESS_LIST, address, size, None):
            raise OSError("the processes of the job are not shown")
        return [int(pid) for pid in found.pids[: found.listed]]

    def described(self) -> list[str]:
        """The same in words, without those that end meanwhile."""
        found = []
        for pid in self.processes():
            try:
                process = psutil.Process(pid)
                found.append(f"{pid} {process.name()} {' '.join(process.cmdline())[-80:]}")
            except psutil.NoSuchProcess:
                continue
            except psutil.Error as error:
                found.append(f"{pid}: {error}")
        return found

    def end(self) -> None:
        """Ends whatever runs in it."""
        self._calls.TerminateJobObject(self._job, 1)
        self._calls.CloseHandle(self._job)


def _kernel32() -> Any:
    if sys.platform != "win32":
        raise OSError("only Windows has job objects")
    calls = ctypes.WinDLL("kernel32", use_last_error=True)
    handle, number = ctypes.c_void_p, ctypes.c_uint32
    calls.CreateJobObjectW.restype = handle
    calls.CreateJobObjectW.argtypes = (handle, ctypes.c_wchar_p)
    calls.AssignProcessToJobObject.argtypes = (handle, handle)
    calls.QueryInformationJobObject.argtypes = (handle, ctypes.c_int, handle, number, handle)
    calls.TerminateJobObject.argtypes = (handle, number)
    calls.CloseHandle.argtypes = (handle,)
    return calls
