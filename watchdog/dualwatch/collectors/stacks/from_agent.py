"""Requests stacks from processes of the training by a signal that the agent answers.

The signal is sent only to a process that handles it and still has this attempt's file open: no
process outside the tree has it, and one that closed its descriptors might write into a file of the
user's instead. All write to one file, so one is asked at a time, and none while an older answer is
due.

Only a process of which every thread sleeps is asked. faulthandler reads frames while running
threads change them: asked in the middle of Python code, one process in some hundreds crashed
(Python 3.10, 3.12, 3.13), and a signal between a system call and reading its errno corrupts that.
None that slept was ever harmed. A deadlock sleeps; the stacks of a busy process stay unknown.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dualwatch import protocol
from dualwatch.collectors.stacks import faulthandler
from dualwatch.core import proc
from dualwatch.core.text import decode
from dualwatch.events import ThreadStack

TIMEOUT_S = 1.0
"""Limit for one process; a dump takes a millisecond, unless the process is swapped out."""

TOTAL_S = 8.0
"""Limit for all together: a tree in which none answers must not delay its own stop."""

QUIET_S = 0.05
"""How long a process must have slept before it is asked, so that it hardly wakes meanwhile.

Shorter than the pauses of NCCL's and CUDA's own threads, which wake ten times a second.
"""

PAUSE_S = 0.002
MAX_BYTES = 1 << 20
_TAKES_SIGNALS = "RS"
_STATES = {"D": "is in uninterruptible sleep (D)", "T": "is stopped (T)", "t": "is held (t)"}


Answer = tuple[ThreadStack, ...] | str
"""Stacks, or why there are none."""


@dataclass(frozen=True, slots=True)
class _Signals:
    """The state of one process and of the signal in it, from /proc.

    Attributes:
        state: Letter of its main thread.
        handled: It has a handler.
        pending: It was signalled and has not begun to answer.
        blocked: Threads that block it; a thread that is answering is among them.
        threads: All of them.
        busy: Whether one of them runs.
        switches: Their context switches so far: unchanged while all of them sleep.
    """

    state: str
    handled: bool
    pending: bool
    blocked: frozenset[int]
    threads: frozenset[int]
    busy: bool
    switches: int

    def answered(self, before: _Signals) -> bool:
        """Whether a request that was sent after ``before`` is answered completely."""
        return not self.pending and self.blocked & before.threads <= before.blocked


def ask(pids: Iterable[int], attempt_dir: str | os.PathLike[str]) -> dict[int, Answer]:
    """Reads the stacks of processes.

    Args:
        pids: Processes of the tree of this attempt.
        attempt_dir: Its folder.

    Returns:
        For each the stacks, main thread first, or why there are none.
    """
    order = list(dict.fromkeys(pids))
    number = getattr(signal, protocol.STACKS_SIGNAL, None)
    if number is None or not sys.platform.startswith("linux"):
        return dict.fromkeys(order, "the agent answers on Linux only")
    path = Path(attempt_dir) / protocol.STACKS_FILE
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        why = f"no agent can answer ({path.name}: {error.strerror})"
        return dict.fromkeys(order, why)
    deadline = time.monotonic() + TOTAL_S
    answers: dict[int, Answer] = {}
    with contextlib.closing(_Session(file, int(number), order)) as session:
        if not session.alone(time.monotonic() + TIMEOUT_S):
            return dict.fromkeys(order, "another dualwatch is asking the same training")
        for pid in order:
            answers[pid] = session.ask(pid, min(deadline, time.monotonic() + TIMEOUT_S))
    return answers


class _Session:
    """The file of the answers, locked by one reader."""

    def __init__(self, file: int, number: int, pids: Sequence[int]) -> None:
        self._file = file
        self._number = number
        self._pids = pids
        self._late: dict[int, _Signals] = {}
        # All at once, so that their quiet times pass in parallel.
        self._quiet: dict[int, tuple[_Signals, float]] = {}
        for pid in pids:
            self._quiet_for(pid, _signals(pid, number))

    def close(self) -> None:
        """Unlocks the file."""
        os.close(self._file)

    def alone(self, deadline: float) -> bool:
        """Waits until no other reader locks the file; true on a system without locks."""
        import fcntl

        for _ in _until(deadline):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            except OSError:
                return True
            return True
        return False

    def ask(self, pid: int, deadline: float) -> Answer:
        """The stacks of one process, or why there are none."""
        before: _Signals | None = None
        why = "there was no time left to ask"
        for _ in _until(deadline):
            why, before = self._obstacle(pid)
            if before is None or not why:
                break
        if before is None or why:
            return why
        size = os.fstat(self._file).st_size
        try:
            os.kill(pid, self._number)
        except OSError as error:
            return f"the process cannot be asked: {error.strerror}"
        return self._answer(pid, size, before, deadline)

    def _obstacle(self, pid: int) -> tuple[str, _Signals | None]:
        """Why a process cannot be asked now, "" where it can; without signals it never can."""
        signals = _signals(pid, self._number)
        if signals is None:
            return "the process is gone", None
        if not signals.handled:
            return "it has no agent that answers", None
        refusal = _holds(pid, self._file)
        if refusal:
            return refusal, None
        if signals.blocked >= signals.threads:
            return "all of its threads block the signal", None
        if signals.state not in _TAKES_SIGNALS:
            state = _STATES.get(signals.state, f"is in state {signals.state}")
            return f"it {state} and cannot answer", signals
        owing = next((other for other in self._pids if self._owes(other)), None)
        if owing is not None:
            return (
                f"an answer of pid {owing} is still due, which could be taken for its own",
                signals,
            )
        # Again, since the first look may be outdated by now.
        signals = _signals(pid, self._number)
        if signals is None:
            return "the process is gone", None
        if self._quiet_for(pid, signals) < QUIET_S:
            return "it is running, and asking it could harm it", signals
        return "", signals

    def _quiet_for(self, pid: int, signals: _Signals | None) -> float:
        """Seconds that all threads of a process are known to have slept without interruption."""
        now = time.monotonic()
        known = self._quiet.get(pid)
        if signals is None or signals.busy:
            self._quiet.pop(pid, None)
            return 0.0
        before = known[0] if known is not None else None
        if before is None or (before.switches, before.threads) != (
            signals.switches,
            signals.threads,
        ):
            self._quiet[pid] = (signals, now)
            return 0.0
        return now - self._quiet[pid][1]

    def _owes(self, pid: int) -> bool:
        """Whether a process was asked, here or by an earlier reader, and may still answer."""
        if pid in self._late:
            signals = _signals(pid, self._number)
            return signals is not None and not signals.answered(self._late[pid])
        fields = _status(f"/proc/{pid}/status")
        return _has(fields, "SigCgt", self._number) and _has(fields, "ShdPnd", self._number)

    def _answer(self, pid: int, size: int, before: _Signals, deadline: float) -> Answer:
        """Waits for the whole dump: a handler has ended when no thread is in it."""
        for _ in _until(deadline):
            grown = os.fstat(self._file).st_size > size
            signals = _signals(pid, self._number)
            if signals is None:
                return "the process ended while it was asked"
            if grown and signals.answered(before):
                dump = os.pread(self._file, MAX_BYTES, size)
                stacks = faulthandler.parse(decode(dump), pid)
                return stacks or "its answer is not a valid stack dump"
        self._late[pid] = before
        return f"it did not answer within {TIMEOUT_S:g} s"


def _until(deadline: float) -> Iterator[None]:
    """Yields repeatedly with a short pause; at least once before the deadline."""
    while time.monotonic() < deadline:
        yield
        time.sleep(PAUSE_S)


def _holds(pid: int, file: int) -> str:
    """Why a process is not known to have the file open, "" where it has."""
    ours = os.fstat(file)
    try:
        held = list(proc.open_files(pid))
    except OSError as error:
        return f"its descriptors cannot be read: {error.strerror}"
    for link, path in held:
        with contextlib.suppress(OSError):
            # Only if the name fits: stat on a dead network drive would hang.
            if path.endswith(protocol.STACKS_FILE) and os.path.samestat(os.stat(link), ours):
                return ""
    return "it has closed the file that it would answer into"


def _signals(pid: int, number: int) -> _Signals | None:
    """The state in /proc; None where the process is gone."""
    fields = _status(f"/proc/{pid}/status")
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return None
    if not fields or fields.get("State", "Z")[:1] in "ZX":
        return None
    each = {int(thread): _status(f"/proc/{pid}/task/{thread}/status") for thread in threads}
    return _Signals(
        state=fields["State"][:1],
        handled=_has(fields, "SigCgt", number),
        pending=_has(fields, "ShdPnd", number),
        blocked=frozenset(thread for thread in each if _has(each[thread], "SigBlk", number)),
        threads=frozenset(each),
        busy=any(one.get("State", "")[:1] == "R" for one in each.values()),
        switches=sum(_number(one, name) for one in each.values() for name in _SWITCHES),
    )


_SWITCHES = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")


def _number(fields: dict[str, str], name: str) -> int:
    value = fields.get(name, "")
    return int(value) if value.isdecimal() else 0


def _status(path: str) -> dict[str, str]:
    try:
        with open(path, "rb") as file:
            lines = file.read(1 << 16).decode("utf-8", "replace").splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _has(fields: dict[str, str], name: str, number: int) -> bool:
    """Whether a signal is in one of the sets that /proc prints as hexadecimal masks."""
    try:
        return bool(int(fields.get(name, "0"), 16) >> (number - 1) & 1)
    except ValueError:
        return False
