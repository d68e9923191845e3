"""A Windows job object for each attempt, so that its whole tree can be ended at once.

Windows keeps no process tree: an orphan has no parent, and a list of processes is outdated when it
is read. A job contains everything that its processes start.

The job does not end with dualwatch (no ``KILL_ON_JOB_CLOSE``): a training outlives its supervisor.
Since Windows 8 jobs nest, so dualwatch may run in one itself. If a call fails, the process list is
used, as on other systems.

The calls are injected: what follows from each failure is tested with a scripted kernel32. The real
calls have been run with trainings under Wine 10 only, not on a real Windows.
"""

from __future__ import annotations

import contextlib
import ctypes
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import psutil

CREATE_SUSPENDED = 0x00000004
"""Creation flag: the training runs nothing before it is in its job."""

ENDED_BY_US = 1
"""Exit code of processes that are ended through the job."""


class Kernel32(Protocol):
    """The calls used. A handle of 0 or None and a result of 0 are failures."""

    def create_job(self) -> int | None:
        """``CreateJobObjectW(NULL, NULL)``."""

    def assign(self, job: int, process: int) -> int:
        """``AssignProcessToJobObject``."""

    def terminate(self, job: int, exit_code: int) -> int:
        """``TerminateJobObject``."""

    def close(self, handle: int) -> int:
        """``CloseHandle``."""

    def error(self) -> str:
        """The error of the last failed call."""


class Job:
    """The job of one attempt; its handle is open until ``close``."""

    def __init__(self, handle: int, calls: Kernel32) -> None:
        self._handle: int | None = handle
        self._calls = calls

    def end(self) -> bool:
        """Ends every process in the job; returns whether that succeeded."""
        if self._handle is None:
            return False
        return bool(self._calls.terminate(self._handle, ENDED_BY_US))

    def close(self) -> None:
        """Closes the handle; processes in the job keep running."""
        if self._handle is not None:
            self._calls.close(self._handle)
            self._handle = None


@dataclass(frozen=True, slots=True)
class JobAssignment:
    """The job of a training, or why it has none."""

    job: Job | None
    why_not: str = ""


def join(process: int, resume: Callable[[], None], calls: Kernel32) -> JobAssignment:
    """Puts a process that was started suspended into a job, and resumes it.

    It is resumed in any case: without a job it is only harder to end.

    Args:
        process: Its handle.
        resume: Resumes it.
        calls: The system.

    Raises:
        OSError, psutil.Error: It cannot be resumed; the job's handle is closed.
    """
    joined = _join(process, calls)
    try:
        resume()
    except (OSError, psutil.Error):
        if joined.job is not None:
            joined.job.close()
        raise
    return joined


def _join(process: int, calls: Kernel32) -> JobAssignment:
    handle = calls.create_job()
    if not handle:
        return JobAssignment(None, f"no job object could be created ({calls.error()})")
    if not calls.assign(handle, process):
        why = f"the training could not be put into a job object ({calls.error()})"
        calls.close(handle)
        return JobAssignment(None, why)
    return JobAssignment(Job(handle, calls))


def of_started(process: subprocess.Popen[bytes]) -> JobAssignment:
    """The job of a training that was started with ``CREATE_SUSPENDED``.

    Raises:
        OSError, psutil.Error: It cannot be resumed; it is ended.
    """
    # subprocess's own handle certainly belongs to this process.
    handle = int(process._handle)  # type: ignore[attr-defined]
    try:
        return join(handle, lambda: psutil.Process(process.pid).resume(), _System())
    except (OSError, psutil.Error):
        with contextlib.suppress(OSError):
            process.kill()
        raise


class _System:
    """The real kernel32."""

    def __init__(self) -> None:
        self._calls: Any = None
        if sys.platform == "win32":
            kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
            handle, number = ctypes.c_void_p, ctypes.c_uint
            # Without these a handle is cut to 32 bits.
            kernel32.CreateJobObjectW.restype = handle
            kernel32.CreateJobObjectW.argtypes = (ctypes.c_void_p, ctypes.c_wchar_p)
            kernel32.AssignProcessToJobObject.argtypes = (handle, handle)
            kernel32.TerminateJobObject.argtypes = (handle, number)
            kernel32.CloseHandle.argtypes = (handle,)
            self._calls = kernel32

    def create_job(self) -> int | None:
        handle: int | None = self._calls.CreateJobObjectW(None, None)
        return handle

    def assign(self, job: int, process: int) -> int:
        return int(self._calls.AssignProcessToJobObject(job, process))

    def terminate(self, job: int, exit_code: int) -> int:
        return int(self._calls.TerminateJobObject(job, exit_code))

    def close(self, handle: int) -> int:
        return int(self._calls.CloseHandle(handle))

    def error(self) -> str:
        if sys.platform == "win32":
            number = ctypes.get_last_error()
            return f"error {number}: {ctypes.FormatError(number).strip()}"
        return "not Windows"
