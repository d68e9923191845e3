"""What the runs of a work dir left: logs, rows of scalars, event files; which run is the newest.

A run is known by the time of its start, which its folder and its files are named after. The
modification time of a file is that of the last copy of it: it decides only where nothing else does.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dualwatch.collectors import rank_files
from dualwatch.events import LogClock
from dualwatch.logs.encodings import LineDecoder
from dualwatch.logs.timestamps import TimestampReader

DEPTH = 3
"""Folders below a work dir in which its runs leave something."""

END_BYTES = 64 << 10
"""Bytes at the end of a log that is not named after its start: its last time is there."""

STATE = "trainer_state.json"
"""The history that the Trainer of transformers keeps in each of its checkpoints."""

_CHECKPOINT = re.compile(r"checkpoint-(\d{1,12})")
_STAMP = re.compile(r"(?<!\d)(\d{8}_\d{6})(?!\d)")
_TRAINING = re.compile(rb"\bepoch|\biter(?:ation)?s?\b|\bloss\b|Traceback \(most", re.IGNORECASE)
_CONSOLE = re.compile(
    r".+\.out(?:\.\d+)?"
    r"|(?:[\w-]*[._-])?(?:log|logs|train|training|console|output|std|stdout|stderr|nohup)\w{0,30}"
    r"(?:\.txt|\.err|\.rank\d+)+"
    r"|(?:stdout|stderr)(?:[._-]?\d+)?"
    r"|(?:results|metrics|progress|history|log|training_log)\.csv",
    re.IGNORECASE,
)
_OF_WANDB = re.compile(r"debug(?:-internal|-core|-cli\.\S+)?\.log")
_SUBFOLDERS = frozenset(("vis_data", "tf_logs", "tb_logs", "tensorboard"))
_OWN = ".of-dualwatch"
_EVENTS = re.compile(r"events\.out\.tfevents\.(\d{9,11})\.")


@dataclass(slots=True)
class RunRecord:
    """The files of one run.

    Attributes:
        begun: Wall time of its start by its name; else the last time in its log; 0 where neither
            is known.
        log: Its log, None where it left none.
        rows: Its rows of scalars, None where it left none.
        events: Its newest event file of TensorBoard, None where it left none.
        config: The configuration that it dumped, None where it dumped none.
        ranks: The logs of its other ranks, where each has one of its own.
        is_named: Whether its files are named after its start. Others may hold several runs.
    """

    begun: float = 0.0
    log: Path | None = None
    rows: Path | None = None
    events: Path | None = None
    config: Path | None = None
    ranks: tuple[Path, ...] = ()
    is_named: bool = False

    @property
    def main(self) -> Path | None:
        """The file that holds most of it."""
        return self.log or self.rows or self.events

    @property
    def written(self) -> float:
        """When its main file was written last; of a copy that is when it was copied."""
        try:
            return self.main.stat().st_mtime if self.main is not None else 0.0
        except OSError:
            return 0.0


def find(folder: Path, depth: int = DEPTH) -> list[RunRecord]:
    """The runs of a work dir, oldest first. Those without a log, rows or event files are none."""
    found: dict[str, RunRecord] = {}
    for file in walk(folder, depth):
        inner = file.relative_to(folder).parts
        if not all(map(_is_part, inner[:-1])):
            continue
        stamp = _stamp((folder.name, *inner))
        events = _EVENTS.match(file.name)
        if file.name == "config.py" and stamp:
            found.setdefault(stamp, RunRecord()).config = file
        elif stamp and file.suffix == ".json" and _STAMP.fullmatch(file.stem):
            record = found.setdefault(stamp, RunRecord())
            record.rows = record.rows or file
        elif not is_record(file):
            continue
        elif file.suffix == ".log":
            record = found.setdefault(stamp or file.name, RunRecord())
            record.log = record.log or file
        elif file.name == STATE:
            record = found.setdefault(STATE, RunRecord())
            record.rows = max(record.rows or file, file, key=_step)
        elif file.name.endswith(".log.json") or file.name == "scalars.json":
            found.setdefault(stamp or str(file.parent), RunRecord()).rows = file
        elif events is not None:
            record = found.setdefault(stamp or events[1], RunRecord())
            record.events = file
            record.begun = record.begun or float(events[1])
    for name, record in found.items():
        if _STAMP.fullmatch(name):
            record.begun = _named(name) or record.begun
            record.is_named = True
        elif record.log is not None:
            record.begun = last_time(record.log) or 0.0
    runs = [record for record in found.values() if record.main is not None]
    runs = runs or _consoles(folder, depth)
    if any(record.is_named for record in runs):
        # Other programs write logs too. Beside the runs, a file has to show that it is one.
        runs = [one for one in runs if one.is_named or one.log is None or _trains(one.log)]
    runs = _joined(runs)
    return sorted(runs, key=lambda record: (record.begun, record.written, str(record.main)))


def _consoles(folder: Path, depth: int) -> list[RunRecord]:
    """The consoles that a shell or a scheduler kept, where trainings left nothing else.

    Beside a training's own files they would be the same run again.
    """
    consoles = [one for one in walk(folder, depth) if is_console(one) and _trains(one)]
    return [RunRecord(begun=last_time(one) or 0.0, log=one) for one in consoles]


def _joined(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """The runs, those of one start whose ranks have a log each as one."""
    logs = [one.log for one in runs if one.log is not None]
    sets = rank_files.sets(logs)
    others = {log for found in sets.values() for log in found}
    return [
        dataclasses.replace(one, ranks=sets.get(one.log, ())) if one.log is not None else one
        for one in runs
        if one.log not in others
    ]


def is_console(file: Path) -> bool:
    """Whether a file may be the console of a training, by its name: ``slurm-7.out``."""
    return _CONSOLE.fullmatch(file.name) is not None and "dualwatch" not in file.parts[-4:-1]


def place_of(file: Path) -> Path:
    """The work dir that a file of a run is in, by the names of the folders above it."""
    place = file.parent
    while _is_part(place.name):
        place = place.parent
    return place


def is_record(file: Path) -> bool:
    """Whether a training left a file, by its name."""
    if "dualwatch" in file.parts[-4:-1] or file.name == "tensorboard.log":
        return False
    if _OF_WANDB.fullmatch(file.name) is not None and file.parent.name in ("logs", "wandb"):
        return False
    if file.suffix == ".log" or file.name.endswith((".log.json", "scalars.json", STATE)):
        return True
    return _EVENTS.match(file.name) is not None and not file.name.endswith(_OWN)


def walk(folder: Path, depth: int) -> Iterator[Path]:
    """Files below a folder, not too deep: data sets and checkpoints may lie there too."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        with contextlib.suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                if depth > 1:
                    yield from walk(Path(entry.path), depth - 1)
            elif entry.is_file():
                yield Path(entry.path)


def last_time(log: Path) -> float | None:
    """The last time in a log, None where none of its last lines has one with its year."""
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - END_BYTES) // 2 * 2)
            data = stream.read(END_BYTES + 1)
    except OSError:
        return None
    stamps, decoder = TimestampReader(), LineDecoder()
    times = [stamps.of(line) for line in [*decoder.feed(data), *decoder.close()]]
    known = [at for at in times if at is not None]
    return max(known) if known and stamps.clock is LogClock.FULL else None


def _trains(log: Path) -> bool:
    """Whether the beginning or the end of a log mentions a training."""
    try:
        with log.open("rb") as stream:
            data = stream.read(END_BYTES)
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - END_BYTES))
            data += stream.read()
    except OSError:
        return False
    # UTF-16 has a zero beside each letter.
    return _TRAINING.search(data.replace(b"\0", b"")) is not None


def _is_part(name: str) -> bool:
    """Whether a folder is part of a work dir, and not one of its own, by its name."""
    known = (_STAMP.fullmatch(name), _CHECKPOINT.fullmatch(name))
    return name in _SUBFOLDERS or any(match is not None for match in known)


def _step(state: Path) -> int:
    """The step of the checkpoint that a history is in; the one of a finished training is last."""
    match = _CHECKPOINT.fullmatch(state.parent.name)
    return int(match[1]) if match is not None else 10**12


def _stamp(names: Sequence[str]) -> str:
    """The time that a file or a folder that it is in is named after, "" for none."""
    for part in reversed(names):
        match = _STAMP.search(part)
        if match is not None:
            return match[1]
    return ""


def _named(stamp: str) -> float | None:
    try:
        return time.mktime(time.strptime(stamp, "%Y%m%d_%H%M%S"))
    except (ValueError, OverflowError):
        return None
