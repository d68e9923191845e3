"""The checkpoint that a training is to start from: is it there, and is it a whole one?

Told without torch, and in bounded time: the checksums of a large archive are left to torch.
"""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from dualwatch.core.text import clean
from dualwatch.core.unread import is_unread
from dualwatch.events import CheckpointSeen, ConfigRead
from dualwatch.frameworks import torch_files
from dualwatch.frameworks.mmengine import checkpoints

ALL_OF_IT = 2 << 30
"""Bytes up to which every checksum of a checkpoint is compared."""

PATIENCE = 15.0
"""Seconds for the checksums."""

_PIECE = 1 << 20
_LENGTH = 500
_MEMBERS = 500_000


def look(
    config: ConfigRead,
    work_dir: Path | None,
    *,
    at: float,
    wall: float,
    roots: Sequence[Path] = (Path(),),
) -> CheckpointSeen | None:
    """Looks at the files of weights that a configuration names, or that resuming would take.

    Args:
        work_dir: Folder of the run, whose newest checkpoint mmengine takes to resume from.
        roots: Where a relative path may begin.

    Returns:
        The first of them that is not there or not whole, else the one to start from. None where
        the training starts from no file.
    """
    seen = [_at_the_start(config, work_dir, at=at, wall=wall, roots=roots)]
    seen += [_local(path, at=at, wall=wall, roots=roots) for path in config.pretrained.values()]
    found = [one for one in seen if one is not None]
    faulty = (one for one in found if one.exists is False or one.whole is False)
    return next(faulty, found[0] if found else None)


def _at_the_start(
    config: ConfigRead, work_dir: Path | None, *, at: float, wall: float, roots: Sequence[Path]
) -> CheckpointSeen | None:
    """The checkpoint of the whole model; None for none."""
    named = config.load_from
    if not named and not config.resumes:
        return None
    if not named:
        last = checkpoints.last_named(work_dir) if work_dir is not None else None
        if last is None:
            where = str((work_dir or Path("WORK_DIR")) / "last_checkpoint")
            why = "it names no checkpoint: a training that resumes begins anew"
            return CheckpointSeen(
                at=at, wall=wall, path=clean(where, _LENGTH), exists=None, whole=None, why=why
            )
        named = str(last)
    shown = clean(named, _LENGTH)
    if is_unread(named):
        why = "its path is computed in the configuration, which was read as text only"
        return CheckpointSeen(at=at, wall=wall, path=shown, exists=None, whole=None, why=why)
    if "://" in named or named.startswith("s3:"):
        why = "it is not a local file: torch fetches it when the training starts"
        return CheckpointSeen(at=at, wall=wall, path=shown, exists=None, whole=None, why=why)
    return _local(named, at=at, wall=wall, roots=roots)


def _local(named: str, *, at: float, wall: float, roots: Sequence[Path]) -> CheckpointSeen:
    """A file on a local disk."""
    shown = clean(named, _LENGTH)
    path = _found(os.path.expanduser(named), roots)
    if path is None:
        why = "it is not there"
        return CheckpointSeen(at=at, wall=wall, path=shown, exists=False, whole=None, why=why)
    whole, why = _judge(path)
    return CheckpointSeen(
        at=at, wall=wall, path=shown, exists=True, whole=whole, why=clean(why, _LENGTH)
    )


def _found(named: str, roots: Sequence[Path]) -> Path | None:
    for root in roots:
        try:
            if (root / named).exists():
                return root / named
        except (OSError, ValueError):  # A name that no file system takes.
            continue
    return None


def _judge(path: Path) -> tuple[bool | None, str]:
    """Whether a file is a whole checkpoint, and what is wrong with it or was not looked at."""
    try:
        if not path.is_file():
            return False, "it is a folder, and no file"
        size = path.stat().st_size
        form = torch_files.form_of(path)
        if size == 0:
            return False, "it is empty"
        if form == torch_files.BEFORE_1_6:
            return None, "it is a pickle, as torch wrote before 1.6: only torch can read it"
        if form != torch_files.ZIPPED:
            return False, "it is not a checkpoint of torch: neither a zip archive nor a pickle"
        with zipfile.ZipFile(path) as archive:
            return _archive(archive, size)
    except zipfile.BadZipFile:
        return False, "it is truncated: the directory at its end is missing"
    except (OSError, ValueError, RuntimeError, NotImplementedError) as error:
        return None, f"it cannot be read: {error}"


def _archive(archive: zipfile.ZipFile, size: int) -> tuple[bool | None, str]:
    members = archive.infolist()
    if len(members) > _MEMBERS:
        return None, f"it has {len(members)} parts, too many to look at"
    if not any(one.filename.endswith("/data.pkl") for one in members):
        return False, "it is a zip archive, and none that torch wrote: it holds no data.pkl"
    for one in members:
        if one.header_offset + one.compress_size > size:
            return False, f"it is truncated: {one.filename} ends behind its end"
    if size > ALL_OF_IT:
        return True, f"its checksums were not compared: it has {size / 1e9:.1f} GB"
    until = time.monotonic() + PATIENCE
    for one in members:
        try:
            with archive.open(one) as stream:
                while stream.read(_PIECE):
                    if time.monotonic() > until:
                        return True, f"not all checksums were compared within {PATIENCE:g} s"
        except zipfile.BadZipFile as error:
            return False, f"it is damaged: {error}"
    return True, ""
