"""The folder of a run, ``WORK_DIR/dualwatch``: one supervisor at a time, earlier runs kept aside.

Light: a training waits for what is imported here before it is started.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from dualwatch.actions.lock import Lock
from dualwatch.core import shell, units
from dualwatch.core.errors import DualwatchError, Exit, code_of, writing
from dualwatch.core.files import replace

_PER_RUN = ("journal.jsonl", "summary.json", "tensorboard.log", "tensorboard")


@dataclass(slots=True)
class RunFolder:
    """The folder of a run that is about to start, locked.

    Attributes:
        made: Folders that did not exist before, the innermost first.
        archived: What was moved aside, and where to.
        is_fresh: Whether what it holds now is of the new run alone.
    """

    path: Path
    lock: Lock
    made: tuple[Path, ...] = ()
    archived: list[tuple[Path, Path]] = field(default_factory=list)
    is_fresh: bool = False

    def undo(self) -> None:
        """Leaves it as it was before, for a start that was refused; releases it."""
        for name in _PER_RUN if self.is_fresh else ():
            with contextlib.suppress(OSError):
                (self.path / name).unlink()
        for path, place in self.archived:
            with contextlib.suppress(OSError):
                replace(place, path)
        self.lock.release()
        if self.path in self.made:
            for name in ("lock", "lock.pid"):
                with contextlib.suppress(OSError):
                    (self.path / name).unlink()
        emptied = [one for _, place in self.archived[:1] for one in place.parents[:2]]
        for folder in (*emptied, *self.made):
            with contextlib.suppress(OSError):  # The training may have put something into it.
                folder.rmdir()


def take(work_dir: Path) -> RunFolder:
    """Makes and locks the folder of a new run, and moves an earlier one aside.

    Raises:
        DualwatchError: It cannot be written, or a training of this work dir is supervised or runs.
    """
    path = work_dir / "dualwatch"
    made = tuple(one for one in (path, *path.parents) if not one.exists())
    prepare(work_dir)
    folder = RunFolder(path, Lock(path), made)
    try:
        _refuse_beside(path)
        with writing(path):
            archive(path, folder.archived)
        folder.is_fresh = True
    except BaseException:
        folder.undo()
        raise
    return folder


def prepare(work_dir: Path) -> Path:
    """Makes ``WORK_DIR/dualwatch``, readable by its owner only.

    Raises:
        DualwatchError: It cannot be written.
    """
    folder = work_dir / "dualwatch"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch(mode=0o600)
        try:
            probe.write_bytes(bytes(4096))  # An empty file takes no room: a full disk has it still.
        finally:
            probe.unlink()
    except OSError as error:
        raise DualwatchError(
            f"the work dir cannot be written: {work_dir}",
            why=f"{error.filename or folder}: {error.strerror}",
            do="choose another --work-dir, correct its permissions or free disk space",
            exit_code=Exit.USAGE,
            code=code_of(error),
        ) from error
    return folder


def _refuse_beside(folder: Path) -> None:
    """Refuses to start beside a training that still runs in this work dir.

    Raises:
        DualwatchError: One runs.
    """
    if not (folder / "journal.jsonl").exists():
        return
    from dualwatch.collectors.processes.live_attempt import living_attempt, newest_attempt

    newest = newest_attempt(folder)
    living = living_attempt(folder, newest.started) if newest.ended is None else None
    if living is None:
        return
    since = units.clock(living.create_time)
    raise DualwatchError(
        "a training is still running in this work dir, and its dualwatch is gone",
        why=f"pid {living.pid}, attempt {living.attempt}, running since {since}: "
        f"{' '.join(living.command)}",
        do=f"`dualwatch attach {folder.parent}` takes it up; or end it with "
        f"`{shell.end([living.pid])}`; or choose another --work-dir",
        exit_code=Exit.USAGE,
    )


def archive(folder: Path, moved: list[tuple[Path, Path]] | None = None) -> None:
    """Moves an earlier run of the same work dir aside; nothing is deleted.

    Args:
        moved: Gets what was moved, and where to.
    """
    earlier = [folder / name for name in _PER_RUN] + sorted(folder.glob("attempt-*"))
    earlier = [path for path in earlier if path.exists()]
    if not earlier:
        return
    stamp = units.stamp(min(p.stat().st_mtime for p in earlier))
    place = folder / "earlier" / stamp
    number = 1
    while place.exists():
        number += 1
        place = place.with_name(f"{stamp}-{number}")
    place.mkdir(mode=0o700, parents=True)
    for path in earlier:
        replace(path, place / path.name)
        if moved is not None:
            moved.append((path, place / path.name))
