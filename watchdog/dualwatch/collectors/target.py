"""Resolves the target of a command: a run, a process, a folder, a log, a configuration."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from dualwatch.collectors.processes import trainings
from dualwatch.collectors.processes.trainings import Training
from dualwatch.core.errors import DualwatchError, Exit

CONFIG_ENDINGS = (".py", ".yaml", ".yml", ".json")
LOG_ENDINGS = (".log", ".txt", ".out", ".err", ".gz", ".log.json")
_STAMPED = re.compile(r"\d{8}_\d{6}")
_DEPTH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The target of a command.

    Attributes:
        kind: "run" (supervised), "process", "folder" (a work dir of a plain training), "log" or
            "config".
        path: What the user named, None for a pid.
        work_dir: Folder of the run, None for a bare log.
        attempt_dir: Folder of the newest supervised attempt.
        log: The log to read: the console where dualwatch kept it, else the newest training log.
        scalars: ``scalars.json`` of the same run.
        config: A configuration that the user named; it is loaded.
        training: The live process, None where there is none.
    """

    kind: str
    path: Path | None = None
    work_dir: Path | None = None
    attempt_dir: Path | None = None
    log: Path | None = None
    scalars: Path | None = None
    config: Path | None = None
    training: Training | None = None

    @property
    def supervised(self) -> bool:
        """Whether dualwatch kept a journal of it."""
        return self.attempt_dir is not None


def resolve(path: Path | None, pid: int | None = None) -> Target:
    """The target that was named.

    Raises:
        DualwatchError: It does not exist (2), or it contains no training (3).
    """
    if pid is not None:
        return of_pid(pid)
    if path is None:
        return _newest_under(Path("work_dirs"))
    if not path.exists():
        raise DualwatchError(
            f"{path} does not exist",
            why=f"looked for it from {Path.cwd()}",
            do="name a work dir, a log, a configuration, or a process with --pid",
        )
    if path.is_dir():
        return of_folder(path)
    if not path.is_file():
        raise DualwatchError(
            f"{path} is neither a file nor a folder",
            why="a target is a log, a configuration or a work dir",
            do="name one of these, or a process with --pid",
        )
    if path.name.endswith(LOG_ENDINGS) or not path.name.endswith(CONFIG_ENDINGS):
        return _of_log(path)
    if path.suffix == ".json" and _holds_scalars(path):
        return _of_log(path)
    return _of_config(path)


def of_pid(pid: int) -> Target:
    """A process, or the training that it is a worker of."""
    training = trainings.of_pid(pid)
    if training is None:
        raise DualwatchError(
            f"process {pid} does not exist",
            why="it has ended, or the number is from another machine or container",
            do="name the work dir instead: an ended run can be examined too",
        )
    named = dict(trainings.command_values(training.command, training.cwd))
    work_dir = named.get("work-dir")
    if training.attempt_dir is not None:
        work_dir = training.attempt_dir.parent.parent
    elif training.log is not None:
        # A log may lie in WORK_DIR/TIMESTAMP/TIMESTAMP.log.
        folder = training.log.parent
        work_dir = folder.parent if _STAMPED.fullmatch(folder.name) else folder
    target = Target(kind="process", work_dir=work_dir, log=training.log, training=training)
    if training.attempt_dir is not None:
        console = training.attempt_dir / "console.log"
        target = replace(target, attempt_dir=training.attempt_dir, log=console)
    if work_dir is not None:
        # Its files may be readable where its process is not.
        log = target.log or _newest(_logs(work_dir))
        target = replace(target, log=log, scalars=_scalars(log, work_dir))
    return target


def of_folder(folder: Path) -> Target:
    """A work dir; of a folder with several the one that was written to last."""
    own = _run_in(folder)
    if own is None:
        own = _newest_run(folder)
    if own is None:
        raise DualwatchError(
            f"no training found in {folder}",
            why="it has no log of a training and no journal of dualwatch",
            do="name the work dir of a training, its log, or its process with --pid",
            exit_code=Exit.NOT_OBSERVED,
        )
    return replace(own, path=own.work_dir or folder)  # Of several, the chosen one is named.


def _newest_under(folder: Path) -> Target:
    if not folder.is_dir():
        raise DualwatchError(
            "no run found",
            why=f"no target was given, and {Path.cwd()} has no folder {folder}",
            do="name a work dir, a log, a configuration, or a process with --pid; "
            "`dualwatch train CONFIG` makes a run",
            exit_code=Exit.NOT_OBSERVED,
        )
    return of_folder(folder)


def _of_log(path: Path) -> Target:
    holds_rows = path.suffix == ".json"
    return Target(kind="log", path=path, log=path, scalars=path if holds_rows else None)


def _of_config(path: Path) -> Target:
    """A configuration, with its run in the usual place if there is one."""
    target = Target(kind="config", path=path, config=path)
    for folder in (Path("work_dirs") / path.stem,):
        run = _run_in(folder) if folder.is_dir() else None
        if run is not None:
            return replace(run, kind="config", path=path, config=path)
    return target


def _run_in(folder: Path) -> Target | None:
    """The run whose work dir this is; None where it is none."""
    attempts = _attempts(folder)
    log = _newest(_logs(folder))
    if not attempts and log is None:
        return None
    training = trainings.in_folder(folder)
    if attempts and not _is_newer(log, attempts[-1], training):
        attempt = attempts[-1]
        console = attempt / "console.log"
        return Target(
            kind="run",
            work_dir=folder,
            attempt_dir=attempt,
            log=console if console.exists() else log,
            scalars=_scalars(log, folder),
            training=training,
        )
    return Target(
        kind="folder",
        work_dir=folder,
        log=(training.log if training is not None else None) or log,
        scalars=_scalars(log, folder),
        training=training,
    )


def _is_newer(log: Path | None, attempt: Path, training: Training | None) -> bool:
    """Whether a plain training used the work dir after the supervised one."""
    if training is not None:
        return training.attempt_dir is None
    console = attempt / "console.log"
    if log is None or not console.exists():
        return False
    # A supervised run writes both until its end: they differ by less than a minute.
    return log.stat().st_mtime > console.stat().st_mtime + 60


def _newest_run(folder: Path) -> Target | None:
    """The run below a folder of several that was written to last."""
    candidates: dict[Path, float] = {}
    for file in _walk(folder, _DEPTH + 1):
        place: Path | None = None
        if file.name == "journal.jsonl" and file.parent.name == "dualwatch":
            place = file.parent.parent
        elif file.suffix == ".log" and _is_training_log(file):
            stamped = _STAMPED.fullmatch(file.parent.name) is not None
            place = file.parent.parent if stamped else file.parent
        if place is not None:
            with contextlib.suppress(OSError):
                when = file.stat().st_mtime
                candidates[place] = max(candidates.get(place, 0.0), when)
    for place in sorted(candidates, key=lambda known: -candidates[known]):
        run = _run_in(place)
        if run is not None:
            return run
    return None


def _attempts(folder: Path) -> list[Path]:
    """Attempt folders of a supervised run, oldest first."""
    own = folder / "dualwatch"
    try:
        found = [p for p in own.iterdir() if re.fullmatch(r"attempt-\d+", p.name) and p.is_dir()]
    except OSError:
        return []
    if not (own / "journal.jsonl").exists():
        return []
    return sorted(found, key=lambda p: int(p.name.rsplit("-", 1)[1]))


def _logs(folder: Path) -> list[Path]:
    """Training logs of a work dir, in stamped folders or beside the checkpoints."""
    return [file for file in _walk(folder, 2) if file.suffix == ".log" and _is_training_log(file)]


def _is_training_log(file: Path) -> bool:
    return "dualwatch" not in file.parts[-4:-1] and file.name != "tensorboard.log"


def _newest(files: Iterable[Path]) -> Path | None:
    dated: list[tuple[float, str, Path]] = []
    for file in files:
        with contextlib.suppress(OSError):
            dated.append((file.stat().st_mtime, file.name, file))
    return max(dated)[2] if dated else None


def _scalars(log: Path | None, work_dir: Path) -> Path | None:
    """``scalars.json`` beside a log, else the newest of the work dir."""
    if log is not None:
        beside = log.parent / "vis_data" / "scalars.json"
        if beside.exists():
            return beside
        old = log.with_name(log.name + ".json")
        if old.exists():
            return old
    return _newest(file for file in _walk(work_dir, 3) if file.name == "scalars.json")


def _walk(folder: Path, depth: int) -> Iterable[Path]:
    """Files below a folder, not too deep: data sets and checkpoints may lie there too."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        with contextlib.suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                if depth > 1:
                    yield from _walk(Path(entry.path), depth - 1)
            elif entry.is_file():
                yield Path(entry.path)


def _holds_scalars(path: Path) -> bool:
    """Whether a .json file is a log of scalars rather than a configuration."""
    try:
        with path.open("rb") as stream:
            first = stream.readline(1 << 20)
        row = json.loads(first)
    except (OSError, ValueError):
        return False
    return isinstance(row, dict) and bool({"step", "iter", "epoch", "mode"} & row.keys())
