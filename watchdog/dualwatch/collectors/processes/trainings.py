"""Finds the live training of a work dir, and the work dir of a live training.

A supervised training is identified by its environment, any other one by the log that its main
process holds open, which its forked workers share.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dualwatch import protocol
from dualwatch.collectors.processes import lineage
from dualwatch.collectors.processes.roles import is_launcher, is_python
from dualwatch.core import process_identity

if TYPE_CHECKING:
    import psutil

LOG_ENDINGS = (".log", ".log.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The main process of a training.

    Attributes:
        attempt_dir: Folder of the supervised attempt, None where dualwatch did not start it.
        marker: Value of ``protocol.ENV_MARKER`` in its environment, "" for none.
        log: The log that it holds open.
    """

    pid: int
    create_time: float
    attempt_dir: Path | None = None
    marker: str = ""
    log: Path | None = None
    command: tuple[str, ...] = ()
    cwd: Path | None = None


def of_pid(pid: int) -> Training | None:
    """The training of a process or of one of its workers, None where the pid does not exist."""
    import psutil

    try:
        process = _trainer_of(psutil.Process(pid))
        log = _open_log(process) or next(
            (log for child in _children(process) if (log := _open_log(child)) is not None), None
        )
        return _training(process, log)
    except psutil.NoSuchProcess:
        return None


def in_folder(work_dir: Path) -> Training | None:
    """The live training that writes to a work dir; the newest where there are several."""
    import psutil

    place = os.path.realpath(work_dir)
    found: dict[int, tuple[psutil.Process, Path | None]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or not is_python(tuple(process.cmdline())):
                continue
            attempt = _environment(process).get(protocol.ENV_ATTEMPT_DIR, "")
            log = _open_log(process, place)
            is_supervised = attempt and os.path.realpath(attempt).startswith(
                os.path.join(place, "dualwatch") + os.sep
            )
            if is_supervised or log is not None:
                found[process.pid] = (process, log)
    roots: list[tuple[float, Training]] = []
    for process, log in found.values():
        with contextlib.suppress(psutil.Error):
            if process.ppid() not in found and not _is_orphan(process):
                training = _training(_trainer_of(process), log)
                roots.append((training.create_time, training))
    return max(roots, key=lambda root: root[0])[1] if roots else None


def _is_orphan(process: psutil.Process) -> bool:
    """Whether it is a loader worker that outlived its main process."""
    if (
        lineage.is_copy(process.pid)
        and lineage.is_loader_worker(process.pid)
        and lineage.lost_its_parent(process, copy=True)
    ):
        return True
    words = process.cmdline()
    return any("--multiprocessing-fork" in word or "spawn_main" in word for word in words)


def _training(process: psutil.Process, log: Path | None) -> Training:
    import psutil

    environ = _environment(process)
    attempt = environ.get(protocol.ENV_ATTEMPT_DIR)
    cwd: Path | None = None
    with contextlib.suppress(psutil.AccessDenied, OSError):
        cwd = Path(process.cwd())
    command: tuple[str, ...] = ()
    with contextlib.suppress(psutil.AccessDenied):
        command = tuple(process.cmdline())
    return Training(
        pid=process.pid,
        create_time=process_identity.created(process),
        attempt_dir=Path(attempt) if attempt else None,
        marker=environ.get(protocol.ENV_MARKER, ""),
        log=log,
        command=command,
        cwd=cwd,
    )


def _trainer_of(process: psutil.Process) -> psutil.Process:
    """From a worker or a rank up to the process that was started: the root of the tree."""
    import psutil

    top = process
    with contextlib.suppress(psutil.Error):
        command = process.cmdline()
        for parent in process.parents():
            above = parent.cmdline()
            same = above == command or "--multiprocessing-fork" in command
            # A forked worker has its parent's command line; a launcher started its ranks.
            if not is_python(tuple(above)) or not (same or is_launcher(tuple(above))):
                break
            if "dualwatch" in " ".join(above[:4]):
                break
            top, command = parent, above
    return top


def _children(process: psutil.Process) -> list[psutil.Process]:
    import psutil

    try:
        return process.children()
    except psutil.Error:
        return []


def _open_log(process: psutil.Process, place: str | None = None) -> Path | None:
    """The newest log that a process holds open, below ``place`` if given."""
    import psutil

    try:
        files = [Path(file.path) for file in process.open_files()]
    except (psutil.Error, OSError):
        return None
    logs = [
        file
        for file in files
        if file.name.endswith(LOG_ENDINGS)
        and "dualwatch" not in file.parent.name
        and (place is None or str(file).startswith(place + os.sep))
    ]
    return max(logs, key=lambda file: file.name, default=None)


def _environment(process: psutil.Process) -> dict[str, str]:
    import psutil

    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def command_values(command: tuple[str, ...], cwd: Path | None) -> Iterator[tuple[str, Path]]:
    """Paths in the command line of a training: ("work-dir", path), ("config", path).

    Relative paths are left out where the folder of the process is not known.
    """
    for kind, text in _named(command):
        path = Path(text)
        if path.is_absolute() or cwd is not None:
            yield kind, (cwd or Path()) / path


def _named(command: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for index, word in enumerate(command):
        following = command[index + 1] if index + 1 < len(command) else ""
        if word in ("--work-dir", "--work_dir") and following:
            yield "work-dir", following
        elif word.startswith(("--work-dir=", "--work_dir=")):
            yield "work-dir", word.partition("=")[2]
        elif index > 1 and word.endswith((".py", ".json", ".yaml", ".yml")):
            yield "config", word
