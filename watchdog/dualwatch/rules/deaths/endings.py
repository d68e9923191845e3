"""How a training ended by what others reported: shells, schedulers, launchers, runtimes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dualwatch.core import units
from dualwatch.events import (
    Circumstance,
    EndKind,
    EndReported,
    EndReporter,
    ErrorSeen,
    Evidence,
)
from dualwatch.logs.end_words import of_exit_code
from dualwatch.rules.deaths import error_patterns
from dualwatch.state.snapshot import Snapshot

QUOTED = 2
"""Lines of others that are quoted at most."""


class Ending(NamedTuple):
    """The verdict on an end.

    Attributes:
        headline: What happened, in one sentence.
        reports: The lines that it rests on, the decisive one first.
        outside: Whether a person, a signal from outside or a limit ended the training.
    """

    code: str
    circumstance: Circumstance | None
    headline: str
    confidence: float
    reports: tuple[EndReported, ...]
    outside: bool = False

    @property
    def signal(self) -> str:
        """The signal that ended it, "" for none."""
        return self.reports[0].signal if self.reports else ""

    def evidence(self, s: Snapshot) -> list[Evidence]:
        """The headline, then the lines as they were printed."""
        first = self.reports[0] if self.reports else None
        wall = None if first is None else first.since or first.wall
        quoted = dict.fromkeys(report.text for report in self.reports)
        return [
            Evidence(text=self.headline, source=s.log, wall=wall),
            *(Evidence(text=text, source=s.log, wall=wall) for text in list(quoted)[:QUOTED]),
        ]


_C = Circumstance

_NAMES = {
    EndReporter.SHELL: "the shell",
    EndReporter.TERMINAL: "the terminal",
    EndReporter.SLURM: "Slurm",
    EndReporter.PBS: "PBS",
    EndReporter.LSF: "LSF",
    EndReporter.CONTAINER: "the container runtime",
    EndReporter.SYSTEMD: "systemd",
    EndReporter.KERNEL: "the kernel",
    EndReporter.TORCHRUN: "torchrun",
    EndReporter.LAUNCHER: "the launcher",
    EndReporter.NCCL: "NCCL",
    EndReporter.WINDOWS: "Windows",
    EndReporter.IDE: "the development environment",
    EndReporter.RUNTIME: "a library",
    EndReporter.SCRIPT: "the training's script",
    EndReporter.TRACKER: "the experiment tracker",
}

_OF_MEMORY = {
    EndReporter.SLURM: ("Slurm's memory limit of the job was reached", _C.JOB_LIMIT),
    EndReporter.PBS: ("the memory limit of the PBS job was reached", _C.JOB_LIMIT),
    EndReporter.LSF: ("the memory limit of the LSF job was reached", _C.JOB_LIMIT),
    EndReporter.CONTAINER: ("the memory limit of the container was reached", _C.CONTAINER_LIMIT),
    EndReporter.SYSTEMD: ("it was ended for want of memory, by systemd's report", None),
    EndReporter.KERNEL: ("the kernel's out-of-memory killer ended it", None),
    EndReporter.IDE: ("the notebook had no memory left", None),
    EndReporter.WINDOWS: ("Windows had no memory left to commit", _C.PAGING_FILE),
}

_LIMITS = (EndKind.TIME_LIMIT, EndKind.PREEMPTED, EndKind.NODE_FAILED)

_OUTSIDE = {
    EndKind.TIME_LIMIT: (_C.TIME_LIMIT, "the time limit of the job was reached"),
    EndKind.PREEMPTED: (_C.PREEMPTED, "the job was preempted"),
    EndKind.NODE_FAILED: (_C.NODE_FAILED, "the node of the job failed"),
    EndKind.CANCELLED: (_C.CANCELLED, "the job was cancelled, by a user or an administrator"),
    EndKind.INTERRUPTED: (_C.INTERRUPTED, "it was stopped by hand (Ctrl-C)"),
}

_BY_SIGNAL = {
    "SIGTERM": (_C.SIGTERM, "another process sent SIGTERM"),
    "SIGINT": (_C.INTERRUPTED, "it was stopped by hand (SIGINT)"),
    "SIGQUIT": (_C.INTERRUPTED, "it was stopped by hand (SIGQUIT)"),
    "SIGHUP": (_C.HANGUP, "its terminal or connection was closed (SIGHUP)"),
    "SIGXCPU": (_C.TIME_LIMIT, "a limit of CPU time was reached (SIGXCPU)"),
    "SIGALRM": (_C.TIME_LIMIT, "an alarm clock ended it (SIGALRM)"),
    "SIGUSR1": (_C.SIGTERM, "another process sent SIGUSR1"),
    "SIGUSR2": (_C.SIGTERM, "another process sent SIGUSR2"),
}

CRASHES = {
    "SIGSEGV": "a segmentation fault",
    "SIGABRT": "an abort of native code",
    "SIGILL": "an illegal instruction",
    "SIGFPE": "an arithmetic fault of native code",
}


def verdict(s: Snapshot) -> Ending | None:
    """What the reports since the last training line amount to; None where nothing was reported.

    A limit of memory or time, a preemption and a failed node explain all other reports, wherever
    they come. Of the rest the first counts: what follows is mostly its consequence, as the signals
    that a launcher sends to the other ranks.
    """
    reports = s.last_words.endings or _by_windows(s)
    memory = [one for one in reports if one.what is EndKind.OUT_OF_MEMORY]
    if memory:
        text, circumstance = _OF_MEMORY.get(memory[0].by, ("it ran out of host memory", None))
        return Ending("DW501", circumstance, text, 0.95, tuple(memory))
    for kind in _LIMITS:
        found = [one for one in reports if one.what is kind]
        if found:
            return _from_outside(found)
    lost = [one for one in reports if one.what is EndKind.GPU_LOST]
    if lost:
        text = "the driver lost the GPU, by the kernel's report"
        return Ending("DW403", None, text, 0.95, tuple(lost))
    plain = [one for one in reports if one.what is EndKind.EXIT_CODE]
    told = [one for one in reports if one.what is not EndKind.EXIT_CODE]
    # Slurm cancels the other tasks of a step when one exits with an error.
    if plain and plain[0] is reports[0] and all(_is_consequence(one) for one in told):
        return _of_first(plain)
    return _of_first(told or plain)


def _by_windows(s: Snapshot) -> tuple[EndReported, ...]:
    """The end of a process whose exit code is one of Windows' own, as a report of it."""
    ended = s.ended
    if ended is None or ended.exit_code is None or ended.signal:
        return ()
    meaning = of_exit_code(ended.exit_code)
    if meaning.by is not EndReporter.WINDOWS:
        return ()
    text = f"the process ended with {units.exit_code(ended.exit_code)}"
    return (
        EndReported(
            at=ended.at,
            wall=ended.wall,
            by=EndReporter.WINDOWS,
            what=meaning.what,
            text=text,
            exit_code=ended.exit_code,
        ),
    )


def _is_consequence(one: EndReported) -> bool:
    """Whether a launcher ends what is left of a job so."""
    return one.what is EndKind.CANCELLED or one.signal == "SIGTERM"


def _of_first(reports: Sequence[EndReported]) -> Ending | None:
    for index, one in enumerate(reports):
        found = _of(one, reports[index:])
        if found is not None:
            return found
    return None


def _of(one: EndReported, reports: Sequence[EndReported]) -> Ending | None:
    """The verdict on one report; the same of other ranks belongs to it."""
    same = tuple(r for r in reports if (r.what, r.signal) == (one.what, one.signal))
    if one.what in _OUTSIDE:
        return _from_outside(same)
    if one.what is EndKind.COLLECTIVE_TIMEOUT:
        who = _ranks(same)
        text = f"a collective operation timed out{f' on {who}' if who else ''} (NCCL watchdog)"
        return Ending("DW118", None, text, 0.95, same)
    if one.what is EndKind.NOT_STARTED:
        dll = one.by is EndReporter.WINDOWS
        text = "a DLL could not be loaded" if dll else "the training's program was not found"
        return Ending("DW607", _C.SYSTEM_LIBRARY if dll else _C.NO_SCRIPT, text, 0.95, same)
    if one.what is EndKind.NO_THREAD:
        text = "a library could not start its threads: too many processes and threads"
        return Ending("DW304", _C.PROCESS_LIMIT, text, 0.95, same)
    if one.what is EndKind.KERNEL_DIED:
        text = (
            "the notebook's kernel died, and why is not in this log; often the host had no memory"
        )
        return Ending("DW606", _C.SILENT_EXIT, text, 0.7, same)
    if one.what is EndKind.NON_FINITE:
        text = "the training's script stopped it: its loss was not finite"
        return Ending("DW203", None, text, 0.95, same)
    if one.what is EndKind.CRASHED:
        return _crashed(one, same)
    if one.what is EndKind.EXIT_CODE:
        text = f"{_who(one)} ended with exit code {one.exit_code}, and its error is not in this log"
        return Ending("DW606", _C.SILENT_EXIT, text, 0.7, same)
    return _of_signal(one, same)


def _of_signal(one: EndReported, same: tuple[EndReported, ...]) -> Ending | None:
    if one.signal == "SIGKILL":
        text = (
            f"{_who(one)} was ended by SIGKILL, by {_NAMES[one.by]}'s report; most likely by the "
            "out-of-memory killer of the host or of the container"
        )
        return Ending("DW501", _C.KILLED_SILENTLY, text, 0.6, same)
    if one.signal in _BY_SIGNAL:
        circumstance, text = _BY_SIGNAL[one.signal]
        return Ending("DW609", circumstance, text, 0.95, same, outside=True)
    if one.signal == "SIGBUS":
        text = f"{_who(one)} was ended by a bus error: in most cases shared memory is full"
        return Ending("DW302", None, text, 0.5, same)
    if one.signal in CRASHES:
        text = f"{_who(one)} was ended by {CRASHES[one.signal]} ({one.signal})"
        return Ending("DW606", _C.NATIVE_CRASH, text, 0.9, same)
    return None


def _crashed(one: EndReported, same: tuple[EndReported, ...]) -> Ending:
    if one.by is EndReporter.RUNTIME:
        text = "two copies of the OpenMP runtime were loaded into one process"
        return Ending("DW606", _C.DUPLICATE_OPENMP, text, 0.95, same)
    if one.by is EndReporter.NCCL:
        error = ErrorSeen(at=one.at, wall=one.wall, exception="RuntimeError", message=one.text)
        meaning = error_patterns.recognise(error)
        text = f"{_who(one)} failed on the GPU"
        return Ending(meaning.code, meaning.circumstance, text, 0.9, same)
    text = f"{_who(one)} crashed in native code"
    return Ending("DW606", _C.NATIVE_CRASH, text, 0.9, same)


def _from_outside(reports: Sequence[EndReported]) -> Ending:
    one = reports[0]
    circumstance, text = _OUTSIDE[one.what]
    if one.what is EndKind.INTERRUPTED and one.by is EndReporter.WINDOWS:
        text = "it was stopped by Ctrl-C, or its console was closed"
    return Ending("DW609", circumstance, text, 0.95, tuple(reports), outside=True)


def _who(one: EndReported) -> str:
    """The process that ended, as far as it is named."""
    pid = f" (pid {one.pid})" if one.pid is not None else ""
    return f"rank {one.rank}{pid}" if one.rank is not None else f"the training{pid}"


def _ranks(reports: Sequence[EndReported]) -> str:
    ranks = sorted({one.rank for one in reports if one.rank is not None})
    if not ranks:
        return ""
    return f"rank{'s' if len(ranks) > 1 else ''} {', '.join(map(str, ranks[:8]))}"
