"""TensorBoard's event files of a run: which tags there are, and the newest value of each.

They are read by tensorboard's own library, which is imported at the first look and may be absent.
Nothing here raises: a file that cannot be read is told in ``not_observed``.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dualwatch import clock
from dualwatch.facts import NotObserved
from dualwatch.parse.fields import is_metric
from dualwatch.parse.text import clean

POLL_BYTES = 4 << 20
"""Bytes of events read per poll, a second's work; what is left comes with the next one."""

MAX_TAGS = 4_000
MAX_FILES = 200
"""The newest; a run that was resumed has one for each start."""

MAX_TAG = 200

FRAME = 16
"""Bytes of a record around its event: the length and two checksums."""

_PATTERNS = ("*tfevents*", "*/*tfevents*", "*/vis_data/*tfevents*")


@dataclass(frozen=True, slots=True)
class Scalar:
    """The newest value of a tag.

    Attributes:
        step: As written: mmengine's iterations for training, epochs for validation.
        wall: Seconds since the epoch.
        count: Values that were read of this tag so far.
    """

    value: float
    step: int
    wall: float
    count: int


class EventFiles:
    """Reads the event files below a folder as they grow.

    Args:
        folder: A work dir, one run's folder in it, or its ``vis_data``. Need not exist yet.

    Attributes:
        scalars: Tag -> its newest value. Only numbers are kept, no images, no histograms.
        files: Files found so far.
        behind: Whether the last poll left events unread, because there were more than it may read.
        not_observed: Why the last poll could not see all; None where it could.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.scalars: dict[str, Scalar] = {}
        self.behind = False
        self.not_observed: NotObserved | None = None
        self._folder = Path(folder)
        self._files: dict[Path, _EventFile] = {}

    @property
    def files(self) -> list[Path]:
        """The files that were found, oldest first."""
        return list(self._files)

    def poll(self) -> dict[str, Scalar]:
        """Reads what came since the last call; gives ``scalars``."""
        self.behind, self.not_observed = False, None
        library = _library()
        if library is None:
            self._miss("tensorboard is not installed")
            return self.scalars
        left = POLL_BYTES
        for path in _found(self._folder):
            file = self._files.get(path)
            if file is None:
                file = self._files[path] = _EventFile(path)
            for event, size in file.events(*library):
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
        found = [scalar for tag, scalar in self.scalars.items() if is_metric(tag, name)]
        return max(found, key=lambda scalar: scalar.wall, default=None)

    def _take(self, event: Any) -> None:
        for value in event.summary.value:
            number = _number(value)
            tag = clean(value.tag, MAX_TAG)
            known = self.scalars.get(tag)
            if number is None or (known is None and len(self.scalars) >= MAX_TAGS):
                continue
            count = known.count + 1 if known is not None else 1
            self.scalars[tag] = Scalar(number, event.step, event.wall_time, count)

    def _miss(self, why: str) -> None:
        at, wall = clock.now()
        self.not_observed = NotObserved(
            at=at, wall=wall, what="TensorBoard event files", why=clean(why, 500)
        )


def tags(folder: str | os.PathLike[str], *, polls: int = 20) -> EventFiles:
    """What the event files below a folder hold now.

    Args:
        polls: Bounds the work, a second or less each; ``behind`` tells whether it was too little.
    """
    files = EventFiles(folder)
    for _ in range(polls):
        files.poll()
        if not files.behind:
            break
    return files


class _EventFile:
    """One file: tensorboard's loader keeps the position, also in the middle of a record."""

    def __init__(self, path: Path) -> None:
        self.trouble = ""
        self._path = path
        self._size = -1
        self._read = 0
        self._loader: Any = None
        self._unread = False
        self._waits = False

    def events(self, loader: Any, event: Any) -> Iterator[tuple[Any, int]]:
        """Events that were written since the last call, and their sizes in bytes."""
        try:
            size = self._path.stat().st_size
            if size == self._size and not self._unread:
                return
            if size < self._size:
                self._loader = None  # Another file of this name.
            if self._loader is None:
                self._loader, self._read = loader(str(self._path)), 0
            self._size, self._unread = size, True
            before = self._read
            # The caller may stop in between; the rest then comes with the next call.
            for record in self._loader.Load():
                self._read += len(record) + FRAME
                yield event.FromString(record), len(record)
            self._unread = False
            # A look may come in the middle of a write, but the next one finds the rest of it.
            stuck = self._waits and self._read == before < size
            self._waits = self._read < size
            self.trouble = f"damaged at byte {self._read} of {size}" if stuck else ""
        except Exception as error:  # Of the library, whose kinds are many.
            self._unread = False
            self.trouble = f"{type(error).__name__}: {error}"


def _library() -> tuple[Any, Any] | None:
    """tensorboard's reader of records and the type of an event, None where it is not installed."""
    try:
        loader = importlib.import_module("tensorboard.backend.event_processing.event_file_loader")
        event_pb2 = importlib.import_module("tensorboard.compat.proto.event_pb2")
        return loader.RawEventFileLoader, event_pb2.Event
    except Exception:  # Also an installation that is broken or does not fit its protobuf.
        return None


def _found(folder: Path) -> list[Path]:
    """Event files, oldest first: their names begin with the time."""
    paths: set[Path] = set()
    for pattern in _PATTERNS:
        try:
            paths.update(folder.glob(pattern))
        except OSError:
            continue
    return sorted(paths, key=lambda path: (path.name, path))[-MAX_FILES:]


def _number(value: Any) -> float | None:
    """A summary's number in the old form (torch's) or the new one, None where it is none."""
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return float(value.simple_value)
    if kind != "tensor" or value.metadata.plugin_data.plugin_name not in ("", "scalars"):
        return None
    try:
        from tensorboard.util import tensor_util  # type: ignore[import-untyped]

        array = tensor_util.make_ndarray(value.tensor)
        return float(array.item()) if array.size == 1 else None
    except Exception:  # A tensor of words, or of no number.
        return None
