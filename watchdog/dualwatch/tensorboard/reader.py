"""TensorBoard's event files of a run: which tags there are, and the newest value of each.

They are read without TensorBoard, which may be installed for the training alone, and as they grow.
Nothing here raises: a file that cannot be read is told in ``not_observed``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dualwatch.core import clock
from dualwatch.core.metric_names import is_metric
from dualwatch.core.text import clean
from dualwatch.events import NotObserved
from dualwatch.tensorboard import records
from dualwatch.tensorboard.records import FRAME, HEAD, EventFileRecord

POLL_BYTES = 4 << 20
"""Bytes of events read per poll, some seconds' work; what is left comes with the next one."""

MAX_EVENT = 64 << 10
"""Bytes. Numbers take a hundred; a longer event is an image or a histogram, and is passed over."""

MAX_TAGS = 4_000
MAX_FILES = 200
"""The newest; a run that was resumed has one for each start."""

MAX_TAG = 200

_PATTERNS = ("*tfevents*", "*/*tfevents*", "*/vis_data/*tfevents*")


@dataclass(frozen=True, slots=True)
class Scalar:
    """The newest value of a tag.

    Attributes:
        step: As written: usually iterations in training, epochs in validation.
        wall: Seconds since the epoch.
        count: Values that were read of this tag so far.
    """

    value: float
    step: int
    wall: float
    count: int


class EventFiles:
    """Reads the event files below a folder as they grow; dualwatch's own are none of them.

    Args:
        folder: A work dir, one run's folder in it, or its ``vis_data``. Need not exist yet.
        since: Files that were last written before this wall time belong to an earlier run.

    Attributes:
        scalars: Tag -> its newest value. Only numbers are kept, no images, no histograms.
        files: Files found so far.
        behind: Whether the last poll left events unread, because there were more than it may read.
        not_observed: Why the last poll could not see all; None where it could.
    """

    def __init__(self, folder: str | os.PathLike[str], since: float = 0.0) -> None:
        self.scalars: dict[str, Scalar] = {}
        self.behind = False
        self.not_observed: NotObserved | None = None
        self._folder = Path(folder)
        self._since = since
        self._files: dict[Path, _EventFile] = {}

    @property
    def files(self) -> list[Path]:
        """The files that were found, oldest first."""
        return list(self._files)

    def poll(self, most: int | None = None) -> dict[str, Scalar]:
        """Reads what came since the last call; gives ``scalars``.

        Args:
            most: Bytes of events to read, about; ``POLL_BYTES`` by default.
        """
        self.behind, self.not_observed = False, None
        left = POLL_BYTES if most is None else most
        for path in found(self._folder, self._since):
            file = self._files.get(path)
            if file is None:
                file = self._files[path] = _EventFile(path)
            for event, size in file.events():
                self._take(event)
                left -= size
                if left <= 0:
                    self.behind = True
                    return self.scalars
            if file.trouble:
                self._miss(f"{path.name}: {file.trouble}")
        return self.scalars

    def find(self, name: str) -> Scalar | None:
        """A metric's newest value, with or without the ``train/`` of hierarchical tags."""
        known = [scalar for tag, scalar in self.scalars.items() if is_metric(tag, name)]
        return max(known, key=lambda scalar: scalar.wall, default=None)

    def _take(self, event: EventFileRecord) -> None:
        for tag, number in event.scalars.items():
            tag = clean(tag, MAX_TAG)
            known = self.scalars.get(tag)
            if known is None and len(self.scalars) >= MAX_TAGS:
                continue
            count = known.count + 1 if known is not None else 1
            self.scalars[tag] = Scalar(number, event.step, event.wall, count)

    def _miss(self, why: str) -> None:
        at, wall = clock.now()
        self.not_observed = NotObserved(
            at=at, wall=wall, what="TensorBoard event files", why=clean(why, 500)
        )


def tags(folder: str | os.PathLike[str], *, polls: int = 20) -> EventFiles:
    """What the event files below a folder hold now.

    Args:
        polls: Bounds the work, some seconds each; ``behind`` tells whether it was too little.
    """
    files = EventFiles(folder)
    for _ in range(polls):
        files.poll()
        if not files.behind:
            break
    return files


def event_file(path: Path) -> Iterator[EventFileRecord]:
    """The events of one file up to its end, or to where it is damaged."""
    return (event for event, _ in _EventFile(path).events())


def found(folder: Path, since: float = 0.0) -> list[Path]:
    """Event files of trainings below a folder, oldest first: their names begin with the time.

    Args:
        since: Those that were last written before this wall time are left out.
    """
    paths: set[Path] = set()
    for pattern in _PATTERNS:
        try:
            paths.update(path for path in folder.glob(pattern) if _is_wanted(path, since))
        except OSError:
            continue
    return sorted(paths, key=lambda path: (path.name, path))[-MAX_FILES:]


def _is_wanted(path: Path, since: float) -> bool:
    if records.is_own(path.name):
        return False
    try:
        return not since or path.stat().st_mtime >= since
    except OSError:
        return False


class _EventFile:
    """One file, and how far it was read."""

    def __init__(self, path: Path) -> None:
        self.trouble = ""
        self._path = path
        self._read = 0
        self._same: tuple[int, int] = (0, 0)
        self._stuck_at = -1

    def events(self) -> Iterator[tuple[EventFileRecord, int]]:
        """Events that were written since the last call, and their sizes in bytes."""
        try:
            with self._path.open("rb") as stream:
                state = os.fstat(stream.fileno())
                place = (state.st_dev, state.st_ino)
                if state.st_size < self._read or place != self._same:
                    self._read, self._same = 0, place  # Another file of this name.
                # The caller may stop in between; the rest then comes with the next call.
                stream.seek(self._read)
                while (head := stream.read(HEAD)) and len(head) == HEAD:
                    length = records.length_of(head)
                    if self._read + FRAME + length > state.st_size:
                        break  # It is being written; the next look finds the rest of it.
                    event = self._event(stream.read(length + 4)) if length <= MAX_EVENT else None
                    self._read += FRAME + length
                    if event is not None:
                        yield event, length
                    else:
                        stream.seek(self._read)
            self.trouble, self._stuck_at = "", -1
        except ValueError:
            # A look may come in the middle of a write: what stands there still is damaged.
            if self._stuck_at == self._read:
                self.trouble = f"damaged at byte {self._read} of {state.st_size}"
            self._stuck_at = self._read
        except OSError as error:
            self.trouble = f"{type(error).__name__}: {error.strerror}"

    def _event(self, data: bytes) -> EventFileRecord:
        body, said = data[:-4], int.from_bytes(data[-4:], "little")
        if records.checksum(body) != said:
            raise ValueError("the checksum does not fit")
        return records.decode(body)
