"""Stacks of frozen processes: from outside by py-spy, else from inside by the agent.

Every process has its own time limit, and all are read side by side: one that cannot be read must
not cost the evidence of the others. Where py-spy is refused, hangs or is not there, the processes
are asked to write their stacks themselves; of those that do not answer either, what the kernel
shows is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dualwatch.collectors.stacks import (
    fd_limit,
    from_agent,
    from_proc,
    permissions,
    source_lines,
    variables,
)
from dualwatch.collectors.stacks.store import keep, readable
from dualwatch.core import own_session
from dualwatch.core.text import clean
from dualwatch.events import Frame, NotObserved, StacksCaptured, ThreadStack

__all__ = ["capture", "find_reader", "readable"]

SIDE_BY_SIDE = 4
REAP_S = 1.0
"""Grace for a killed reader; one in uninterruptible sleep is left behind rather than waited for."""

UNDISTURBED = 4
"""Readings at most of a process that may not be held meanwhile."""

MAX_FRAMES = 500
"""Of one thread; of a deeper one, as a runaway recursion, the innermost are kept."""

_NO_READER = "py-spy is not installed beside this Python nor on the PATH: `pip install py-spy`"
_REFUSED = re.compile(
    r"permission denied|operation not permitted|EPERM|EACCES|requires root|access is denied",
    re.IGNORECASE,
)
_NOT_PYTHON = re.compile(r"failed to find python version|not (?:a )?python", re.IGNORECASE)


def find_reader() -> str | None:
    """The py-spy executable: beside this Python, else on the PATH."""
    beside = shutil.which("py-spy", path=str(Path(sys.executable).parent))
    # A Python outside of an environment keeps its scripts elsewhere on Windows.
    return beside or shutil.which("py-spy", path=_scripts()) or shutil.which("py-spy")


def _scripts() -> str:
    import sysconfig

    return sysconfig.get_path("scripts")


@dataclass(frozen=True, slots=True)
class _Unread:
    """Why py-spy gave no stacks; ``gone`` where the process has ended."""

    why: str
    gone: bool = False


def capture(
    pids: Iterable[int],
    folder: str | os.PathLike[str] | None,
    *,
    timeout: float = 5.0,
    at: float,
    wall: float,
    reader: str | None = None,
    inside: str | os.PathLike[str] | None = None,
) -> tuple[StacksCaptured | None, list[NotObserved]]:
    """Reads the Python stacks of some processes and keeps them in ``folder``.

    Args:
        pids: Processes to read; the order of the result.
        folder: Gets ``stacks-NNN.json`` and ``stacks-NNN.txt``, readable by the owner only; None
            keeps no files.
        timeout: Seconds for each process, both ways of reading it with py-spy together.
        at, wall: Times of the events.
        reader: The py-spy executable; found by ``find_reader`` by default.
        inside: Folder of the attempt that the processes belong to, whose agents are asked for what
            py-spy does not give; None where no agent is inside.

    Returns:
        The stacks, None where there are none at all, and what could not be observed and why: also
        what py-spy was refused and another way gave.
    """
    order = list(dict.fromkeys(pids))
    reader = reader or find_reader()
    if reader is None and inside is None:
        return None, [NotObserved(at=at, wall=wall, what="stacks", why=_NO_READER)]
    together = 1 if fd_limit.are_few() else SIDE_BY_SIDE
    with ThreadPoolExecutor(max_workers=together, thread_name_prefix="stacks") as pool:
        read = dict(zip(order, pool.map(lambda pid: _read_one(reader, pid, timeout), order),
                        strict=True))  # fmt: skip
    alive = [pid for pid, one in read.items() if isinstance(one, _Unread) and not one.gone]
    answers = from_agent.ask(alive, inside) if alive and inside is not None else {}

    stacks: list[ThreadStack] = []
    missing: list[NotObserved] = []
    kernel: dict[int, str] = {}
    for pid, one in read.items():
        if not isinstance(one, _Unread):
            stacks += one
            continue
        answer = answers.get(pid)
        what, why = f"stacks of pid {pid}", one.why
        if isinstance(answer, tuple):
            stacks += answer
            what = f"py-spy on pid {pid}"
            why += "; its stacks were read by the agent inside it"
        else:
            why += f"; from inside: {answer}" if answer else ""
            kernel[pid] = "" if one.gone else from_proc.describe(pid)
        missing.append(NotObserved(at=at, wall=wall, what=what, why=why, gone=one.gone))
    stacks = source_lines.annotate(stacks, same_files=inside is not None)
    kernel = {pid: text for pid, text in kernel.items() if text}
    if not stacks and not kernel:
        return None, missing
    path: str | None = None
    try:
        path = keep(Path(folder), stacks, missing, kernel, wall) if folder is not None else None
    except OSError as error:
        why = f"could not be written: {error}"
        missing.append(NotObserved(at=at, wall=wall, what="file of the stacks", why=why))
    if not stacks:
        return None, missing
    return StacksCaptured(at=at, wall=wall, stacks=tuple(stacks), path=path), missing


def _read_one(reader: str | None, pid: int, timeout: float) -> list[ThreadStack] | _Unread:
    """The stacks of one process by py-spy, or why there are none; [] of a console host."""
    reason = _not_readable(pid)
    if reason:
        return _Unread(reason, gone=True)
    if reader is None:
        return _Unread(_NO_READER)
    if _is_console_host(pid):
        return []
    for arguments, limit in _readings(timeout):
        try:
            status, output, complaint = _run([reader, "dump", "--json", "--pid", str(pid),
                                              *arguments], limit)  # fmt: skip
        except OSError as error:
            return _Unread(f"py-spy could not be started: {error}")
        if status is None:
            reason = reason or f"py-spy did not answer within {timeout:g} s and was killed"
            continue
        stacks = _threads(output) if status == 0 else []
        if stacks:
            return stacks
        reason = _explain(complaint, pid)
        if _NOT_PYTHON.search(complaint) or _REFUSED.search(complaint):
            break
    # What is gone by now could not be read for that.
    gone = _not_readable(pid)
    return _Unread(gone or reason, gone=bool(gone))


def _readings(timeout: float) -> Iterator[tuple[list[str], float]]:
    """Arguments and time limit of each reading until one succeeds.

    Without blocking, since that cannot disturb the process. One that moves meanwhile may give
    nothing that way: it is held for the moment of a second reading; on Windows it is read again,
    since a py-spy that is killed there leaves its process suspended for ever.
    """
    # Of the variables, only what ``variables`` names is kept.
    first = ["--nonblocking", *variables.ARGUMENTS]
    if sys.platform == "win32":
        end = time.monotonic() + timeout
        for _ in range(UNDISTURBED):
            if (left := end - time.monotonic()) > 0:
                yield first, left
    else:
        # The second reading needs its time too when the first one hangs.
        yield first, timeout * 0.6
        yield [], timeout * 0.4


def _not_readable(pid: int) -> str:
    """Why there is no use in trying, "" where there is."""
    import psutil

    try:
        status = psutil.Process(pid).status()
    except psutil.NoSuchProcess:
        return "the process is gone"
    except psutil.Error:
        return ""
    return "the process is dead and waits for its parent (zombie)" if status == "zombie" else ""


def _is_console_host(pid: int) -> bool:
    """Whether it is what Windows starts for the console of every training."""
    import psutil

    try:
        return sys.platform == "win32" and psutil.Process(pid).name().lower() == "conhost.exe"
    except psutil.Error:
        return False


def _run(command: Sequence[str], limit: float) -> tuple[int | None, str, str]:
    """Status (None: killed at the limit), output and complaint of a program."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        **own_session.options(),  # Ctrl-C is for the supervisor, which ends the reader in order
    )
    try:
        output, complaint = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        # communicate() would wait for grandchildren that hold the pipes; wait() does not.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=REAP_S)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        return None, "", ""
    return process.returncode, output, complaint


def _explain(complaint: str, pid: int) -> str:
    """py-spy's own words in short, and how to allow it where it was refused."""
    words = complaint.partition("Stack backtrace:")[0].split()
    text = clean(" ".join(words), 300).removeprefix("Error: ") or "py-spy gave no stacks"
    if _NOT_PYTHON.search(complaint):
        return f"not a Python process ({text})"
    if _REFUSED.search(complaint):
        return f"{text}; to allow it: {permissions.how_to_allow(permissions.permissions_of(pid))}"
    return text


def _threads(output: str) -> list[ThreadStack]:
    """py-spy's JSON to events; the main thread first. Empty where it is not what we expect."""
    try:
        threads = [_thread(thread) for thread in json.loads(output)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []
    return sorted(threads, key=lambda stack: stack.thread != "MainThread")


def _thread(thread: dict[str, Any]) -> ThreadStack:
    active = thread.get("active")
    frames = tuple(
        Frame(
            function=clean(str(frame["name"]), 200),
            file=clean(str(frame["filename"]), 500),
            line=int(frame["line"]),
            sample=variables.sample(frame),
            subject=variables.subject(frame),
        )
        for frame in thread["frames"][:MAX_FRAMES]
    )
    return ThreadStack(
        pid=int(thread["pid"]),
        thread=clean(str(thread.get("thread_name") or thread.get("thread_id") or ""), 200),
        active=active if isinstance(active, bool) else None,
        frames=frames,
        tid=_number(thread.get("os_thread_id")),
    )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
