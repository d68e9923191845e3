"""Resolves the target of a command: a run, a process, a folder, a log, a configuration."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dualwatch.collectors import file_kinds, run_records
from dualwatch.collectors.processes import trainings
from dualwatch.collectors.processes.trainings import Training
from dualwatch.collectors.run_records import RunRecord
from dualwatch.core.errors import DualwatchError, Exit

CONFIG_ENDINGS = (".py", ".yaml", ".yml", ".json")
LOG_ENDINGS = (".log", ".txt", ".out", ".err", ".gz", ".log.json")
_STAMPED = re.compile(r"\d{8}_\d{6}")
_WALL = re.compile(rb'"wall":(\d{1,12}(?:\.\d{1,9})?)')
_LAST_BYTES = 64 << 10
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
        scalars: Rows of scalars of the same run; they are the log too where it left no other.
        ranks: Logs of the other ranks of the same run.
        earlier: Logs of earlier runs in the same work dir, oldest first.
        config: A configuration that the user named; it is loaded.
        training: The live process, None where there is none.
    """

    kind: str
    path: Path | None = None
    work_dir: Path | None = None
    attempt_dir: Path | None = None
    log: Path | None = None
    scalars: Path | None = None
    ranks: tuple[Path, ...] = ()
    earlier: tuple[Path, ...] = ()
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
    binary = file_kinds.of(path)
    if binary is not None and "tfevents" not in path.name:
        raise DualwatchError(
            f"{path} is not a log",
            why=f"it is {binary.what}",
            do=binary.do,
        )
    if path.name.endswith(LOG_ENDINGS) or not path.name.endswith(CONFIG_ENDINGS):
        return _of_log(path)
    if path.name == run_records.STATE or (path.suffix == ".json" and _holds_scalars(path)):
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
        records = run_records.find(work_dir)
        newest = records[-1] if records else None
        if newest is not None:
            target = replace(target, log=target.log or newest.main, scalars=newest.rows)
    return target


def of_folder(folder: Path) -> Target:
    """A work dir; of a folder with several the one whose run began last."""
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
    records = run_records.find(folder)
    if not attempts and not records:
        return None
    newest = records[-1] if records else RunRecord()
    training = trainings.in_folder(folder)
    if attempts and not _is_newer(newest, attempts[-1], training):
        attempt = attempts[-1]
        console = attempt / "console.log"
        return Target(
            kind="run",
            work_dir=folder,
            attempt_dir=attempt,
            log=console if console.exists() else newest.log,
            scalars=newest.rows,
            training=training,
        )
    log = training.log if training is not None else None
    return Target(
        kind="folder",
        work_dir=folder,
        log=log or newest.main,
        scalars=newest.rows,
        ranks=newest.ranks if log is None or log == newest.main else (),
        earlier=_earlier(records) if log is None or log == newest.main else (),
        training=training,
    )


def _earlier(records: Sequence[RunRecord]) -> tuple[Path, ...]:
    """The logs of the runs before the newest one.

    A log that is not named after its start may be the console of several of them.
    """
    if not records or not records[-1].is_named:
        return ()
    named = (record.main for record in records[:-1] if record.is_named)
    return tuple(main for main in named if main is not None)


def _is_newer(record: RunRecord, attempt: Path, training: Training | None) -> bool:
    """Whether a plain training used the work dir after the supervised one."""
    if training is not None:
        return training.attempt_dir is None
    console = attempt / "console.log"
    if record.log is None or not console.exists():
        return False
    # A supervised run writes both until its end: they differ by less than a minute.
    return record.written > console.stat().st_mtime + 60


def _newest_run(folder: Path) -> Target | None:
    """The run below a folder of several that began last."""
    places: dict[Path, tuple[float, float]] = {}
    for file in run_records.walk(folder, _DEPTH + 1):
        place: Path | None = None
        if file.name == "journal.jsonl" and file.parent.name == "dualwatch":
            place = file.parent.parent
        elif run_records.is_record(file) or run_records.is_console(file):
            place = run_records.place_of(file)
        if place is not None and place not in places:
            records = run_records.find(place)
            known = [(one.begun or one.written, one.written) for one in records]
            places[place] = max([*known, _last_event(place / "dualwatch" / "journal.jsonl")])
    for place in sorted(places, key=places.__getitem__, reverse=True):
        run = _run_in(place)
        if run is not None:
            return run
    return None


def _last_event(journal: Path) -> tuple[float, float]:
    """Wall time of the last event of a journal, and when it was written; 0 where there is none."""
    try:
        with journal.open("rb") as stream:
            written = os.fstat(stream.fileno()).st_mtime
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LAST_BYTES))
            walls = _WALL.findall(stream.read())
    except OSError:
        return 0.0, 0.0
    return (float(walls[-1]) if walls else written), written


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


def _holds_scalars(path: Path) -> bool:
    """Whether a .json file is a log of scalars rather than a configuration."""
    try:
        with path.open("rb") as stream:
            first = stream.readline(1 << 20)
        row = json.loads(first)
    except (OSError, ValueError):
        return False
    return isinstance(row, dict) and bool({"step", "iter", "epoch", "mode"} & row.keys())
