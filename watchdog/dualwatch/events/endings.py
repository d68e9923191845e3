"""How a training ended, as reported outside its Python tracebacks."""

from __future__ import annotations

import enum

from dualwatch.events.base import Event


class EndReporter(str, enum.Enum):
    """The program that reported an end."""

    SHELL = "shell"
    TERMINAL = "terminal"
    SLURM = "slurm"
    PBS = "pbs"
    LSF = "lsf"
    CONTAINER = "container"
    SYSTEMD = "systemd"
    KERNEL = "kernel"
    TORCHRUN = "torchrun"
    LAUNCHER = "launcher"
    NCCL = "nccl"
    WINDOWS = "windows"
    IDE = "ide"
    RUNTIME = "runtime"
    SCRIPT = "script"
    TRACKER = "tracker"


class EndKind(str, enum.Enum):
    """What was reported.

    ``RESTARTED``: a launcher starts the ranks again, so what it reported before is not the end.
    ``NO_THREAD``: a library could not start its threads. ``CRASHED``: a fault of native code.
    ``NOT_STARTED``: the interpreter or its script is missing. ``NON_FINITE``: the script itself
    stopped, because its loss was not finite. ``KERNEL_DIED``: the process behind a notebook is
    gone.
    """

    SIGNAL = "signal"
    EXIT_CODE = "exit-code"
    OUT_OF_MEMORY = "out-of-memory"
    TIME_LIMIT = "time-limit"
    PREEMPTED = "preempted"
    CANCELLED = "cancelled"
    NODE_FAILED = "node-failed"
    INTERRUPTED = "interrupted"
    GPU_LOST = "gpu-lost"
    COLLECTIVE_TIMEOUT = "collective-timeout"
    NO_THREAD = "no-thread"
    CRASHED = "crashed"
    NOT_STARTED = "not-started"
    RESTARTED = "restarted"
    NON_FINITE = "non-finite"
    KERNEL_DIED = "kernel-died"


class EndReported(Event, frozen=True, kw_only=True, tag="end-reported"):
    """A shell, a scheduler, a launcher or a runtime reports how the training ended.

    Attributes:
        by: ``EndReporter``.
        what: ``EndKind``.
        text: The line, bounded.
        signal: "SIGKILL"; "" where no signal is named.
        exit_code: None where none is named.
        pid, rank: Of the process that ended, None where not named.
        since: Wall time that the line itself gives, None where it gives none.
    """

    by: EndReporter
    what: EndKind
    text: str
    signal: str = ""
    exit_code: int | None = None
    pid: int | None = None
    rank: int | None = None
    since: float | None = None


class DeviceAssertSeen(Event, frozen=True, kw_only=True, tag="device-assert-seen"):
    """A CUDA kernel printed a failed assertion; the Python error that follows does not hold it.

    Attributes:
        place: Source file and line of the kernel.
        kernel: Its name, as far as it was printed.
        assertion: The condition that failed.
    """

    place: str
    kernel: str
    assertion: str
    text: str
