"""Stacks of frozen processes, read from outside by py-spy.

Every process has its own time limit, and all are read side by side: one that cannot be read must
not cost the evidence of the others.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dualwatch.facts import Frame, NotObserved, StacksCaptured, ThreadStack
from dualwatch.parse.text import clean

SIDE_BY_SIDE = 4
REAP_S = 1.0
"""Grace for a killed reader; one in uninterruptible sleep is left behind rather than waited for."""

MAX_FRAMES = 500
"""Of one thread; of a deeper one, as a runaway recursion, the innermost are kept."""

_HOW_TO_ALLOW = (
    "run dualwatch as the user of the training or as root; where Yama forbids it, "
    "`sudo sysctl kernel.yama.ptrace_scope=0`; a container needs `--cap-add SYS_PTRACE`"
)
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


def capture(
    pids: Iterable[int],
    folder: str | os.PathLike[str],
    *,
    timeout: float = 5.0,
    at: float,
    wall: float,
    reader: str | None = None,
) -> tuple[StacksCaptured | None, list[NotObserved]]:
    """Reads the Python stacks of some processes and keeps them in ``folder``.

    Args:
        pids: Processes to read; the order of the result.
        folder: Gets ``stacks-NNN.json`` and ``stacks-NNN.txt``, readable by the owner only.
        timeout: Seconds for each process, both ways of reading it together.
        at, wall: Times of the facts.
        reader: The py-spy executable; found by ``find_reader`` by default.

    Returns:
        The stacks, None where there are none at all, and what could not be observed and why.
    """
    order = list(dict.fromkeys(pids))
    reader = reader or find_reader()
    if reader is None:
        why = "py-spy is not installed beside this Python nor on the PATH: `pip install py-spy`"
        return None, [NotObserved(at=at, wall=wall, what="stacks", why=why)]
    program = reader
    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE, thread_name_prefix="stacks") as pool:
        results = list(pool.map(lambda pid: _read_one(program, pid, timeout), order))
    missing = [
        NotObserved(at=at, wall=wall, what=f"stacks of pid {pid}", why=result)
        for pid, result in zip(order, results, strict=True)
        if isinstance(result, str)
    ]
    stacks = tuple(stack for result in results if not isinstance(result, str) for stack in result)
    if not stacks:
        return None, missing
    path: str | None = None
    try:
        path = _keep(Path(folder), stacks, missing, wall)
    except OSError as error:
        why = f"could not be written: {error}"
        missing.append(NotObserved(at=at, wall=wall, what="file of the stacks", why=why))
    return StacksCaptured(at=at, wall=wall, stacks=stacks, path=path), missing


def _read_one(reader: str, pid: int, timeout: float) -> list[ThreadStack] | str:
    """The stacks of one process, or why there are none.

    Without blocking first, since that cannot disturb the process; a process that moves meanwhile
    may give nothing that way, and is then held for the moment of a second reading.
    """
    reason = _not_readable(pid)
    if reason:
        return reason
    # The second reading needs its time too when the first one hangs.
    for arguments, limit in ((["--nonblocking"], timeout * 0.6), ([], timeout * 0.4)):
        try:
            status, output, complaint = _run([reader, "dump", "--json", "--pid", str(pid),
                                              *arguments], limit)  # fmt: skip
        except OSError as error:
            return f"py-spy could not be started: {error}"
        if status is None:
            reason = reason or f"py-spy did not answer within {timeout:g} s and was killed"
            continue
        stacks = _threads(output) if status == 0 else []
        if stacks:
            return stacks
        reason = _explain(complaint)
        if _NOT_PYTHON.search(complaint) or _REFUSED.search(complaint):
            break
    return reason


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


def _run(command: Sequence[str], limit: float) -> tuple[int | None, str, str]:
    """Status (None: killed at the limit), output and complaint of a program."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # Ctrl-C is for the supervisor, which ends the reader in order
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


def _explain(complaint: str) -> str:
    """py-spy's own words in short, and how to allow it where it was refused."""
    words = complaint.partition("Stack backtrace:")[0].split()
    text = clean(" ".join(words), 300).removeprefix("Error: ") or "py-spy gave no stacks"
    if _NOT_PYTHON.search(complaint):
        return f"not a Python process ({text})"
    if _REFUSED.search(complaint):
        return f"{text}; to allow it: {_HOW_TO_ALLOW}"
    return text


def _threads(output: str) -> list[ThreadStack]:
    """py-spy's JSON to facts; the main thread first. Empty where it is not what we expect."""
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
        )
        for frame in thread["frames"][:MAX_FRAMES]
    )
    return ThreadStack(
        pid=int(thread["pid"]),
        thread=clean(str(thread.get("thread_name") or thread.get("thread_id") or ""), 200),
        active=active if isinstance(active, bool) else None,
        frames=frames,
    )


def _keep(
    folder: Path, stacks: Sequence[ThreadStack], missing: Sequence[NotObserved], wall: float
) -> str:
    """Writes one capture under the next free number; gives the path of the JSON file."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    number, file = _next_file(folder)
    document = {
        "schema_version": 1,
        "wall": wall,
        "stacks": [
            {
                "pid": stack.pid,
                "thread": stack.thread,
                "active": stack.active,
                "frames": [
                    {"function": frame.function, "file": frame.file, "line": frame.line}
                    for frame in stack.frames
                ],
            }
            for stack in stacks
        ],
        "not_observed": [{"what": one.what, "why": one.why} for one in missing],
    }
    with os.fdopen(file, "w", encoding="utf-8") as out:
        json.dump(document, out, indent=1)
    text = os.open(folder / f"stacks-{number:03}.txt", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(text, "w", encoding="utf-8") as out:
        out.write(readable(stacks, missing))
    return str(folder / f"stacks-{number:03}.json")


def _next_file(folder: Path) -> tuple[int, int]:
    """The first number that no file has yet, and its JSON file opened for writing."""
    taken = [int(name[7:-5]) for name in os.listdir(folder) if _KEPT.fullmatch(name)]
    number = max(taken, default=0) + 1
    while True:
        with contextlib.suppress(FileExistsError):
            path = folder / f"stacks-{number:03}.json"
            return number, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        number += 1


_KEPT = re.compile(r"stacks-\d{3,9}\.json")


def readable(stacks: Sequence[ThreadStack], missing: Sequence[NotObserved] = ()) -> str:
    """The capture as text, innermost frames first, as py-spy prints it."""
    lines: list[str] = []
    for stack in stacks:
        state = {True: " (active)", False: " (idle)", None: ""}[stack.active]
        lines.append(f"pid {stack.pid}, thread {stack.thread}{state}")
        lines += [f"    {frame.function} ({frame.file}:{frame.line})" for frame in stack.frames]
        lines.append("")
    lines += [f"not observed: {one.what}: {one.why}" for one in missing]
    return "\n".join(lines) + "\n"
