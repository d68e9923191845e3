"""Records what a training batch contains and which losses the model returned.

A data set that delivers an incomplete batch and a model that leaves out a loss look alike in a log;
here they differ. Only shapes, names and paths are recorded, no values. As long as the form stays
the same an iteration pays a few microseconds; a record is written when it changes.
"""

from __future__ import annotations

import os
from itertools import islice
from typing import Callable, Iterable, Iterator, Tuple

from dualwatch import protocol
from dualwatch.agent import files
from dualwatch.agent.torch.unusual_batches import UnusualBatches

MOST_RECORDS = 20
"""Of one run: a batch that never looks the same twice must not write at every iteration."""

DEPTH = 4
ITEMS = 3
KEYS = 40
LINES = 40
LENGTH = 200
LOSSES = 100
PATH_PARTS = 3
"""Last parts of a path that are recorded: ``infrared/train/0001.jpg`` shows the modality."""


class BatchRecorder:
    """Writes ``batch-RANK.json`` whenever batch or losses change their form.

    Args:
        folder: The attempt's folder.
        rank: Rank of this process.
    """

    def __init__(self, folder: str, rank: int) -> None:
        self._path = os.path.join(folder, protocol.batch_file(rank))
        self._rank = rank
        self._left = MOST_RECORDS
        self._last: object = None
        self._unusual = UnusualBatches()

    def note(
        self,
        iteration: int,
        batch: object,
        outputs: object,
        logged: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """Compares one training iteration with the last; never raises.

        Args:
            iteration: Iterations completed, this one included.
            batch: What the loader gave.
            outputs: What the model returned for the log; its keys are the names of the losses.
            logged: Asked for the names of all that the training has logged so far.
        """
        if self._left <= 0:
            return
        try:
            unusual = self._unusual.note(iteration, batch, outputs)
            form = (tuple(outputs) if isinstance(outputs, dict) else None, _form(batch, 0))
            if form != self._last:
                self._last = form
                self._left -= 1
            elif not unusual:
                return
            self._write(iteration, batch, outputs, logged)
        except Exception:
            self._left = 0  # It would fail at every iteration.
            files.note_error("recording the batch")

    def _write(self, iteration, batch, outputs, logged) -> None:
        names = list(outputs)[:LOSSES] if isinstance(outputs, dict) else []
        record: protocol.BatchDocument = {
            "rank": self._rank,
            "iteration": iteration,
            "outline": outline(batch),
            "losses": [str(name)[:LENGTH] for name in names],
            "logged": [str(name)[:LENGTH] for name in islice(logged(), LOSSES)],
        }
        if self._unusual.newest:
            record["unusual"] = self._unusual.newest
        files.put(self._path, record)


def _form(value, depth):
    """The form of a batch: types, keys, dimensions and channels.

    Sizes are left out (the last batch of an epoch is smaller, augmentation changes them), and
    only the first item of a list is used. Reads no value, so nothing waits for a GPU.
    """
    kind = type(value)
    if depth >= DEPTH:
        return kind
    if isinstance(value, dict):
        return (kind, tuple([(key, _form(value[key], depth + 1)) for key in list(value)[:KEYS]]))
    if isinstance(value, (list, tuple)):
        return (kind, _form(value[0], depth + 1)) if value else kind
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        dimensions = len(shape)
        return (kind, dimensions, shape[-3] if dimensions > 2 else None)
    if hasattr(kind, "metainfo_keys"):
        return (kind, frozenset(value.metainfo_keys()))
    return kind


def outline(batch: object) -> list[str]:
    """The parts of a batch, one a line: "inputs.visible: Tensor 2x3x512x640". Bounded.

    Of a list the first items are included, and those after the first one only where they differ
    from it: a single sample that lacks a part shows up, eight equal ones take no room.
    """
    lines: list[str] = []
    for name, what, path in _parts("", batch, 0):
        if len(lines) >= LINES:
            lines[-1] = "..."
            break
        line = "{}: {} {}".format(name or "batch", what, path).rstrip()
        lines.append(line if len(line) <= LENGTH else line[: LENGTH - 4] + " ...")
    return lines


_Parts = Iterator[Tuple[str, str, str]]
"""Name, description, and a path if there is one. Lazy, since a batch may contain anything."""


def _parts(name, value, depth) -> _Parts:
    try:
        yield from _look(name, value, depth)
    except Exception:  # One odd object must not hide the others.
        yield name, type(value).__name__ + " (cannot be read)", ""


def _look(name, value, depth) -> _Parts:
    kind = type(value).__name__
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        sizes = "x".join(str(size) for size in shape) or "scalar"
        yield name, f"{kind} {sizes}", ""
    elif isinstance(value, dict):
        if not value or depth >= DEPTH:
            yield name, f"{kind} of {len(value)}", ""
        else:
            yield from _named(name, value.items(), depth)
    elif isinstance(value, (list, tuple)):
        yield name, f"{kind} of {len(value)}", ""
        if depth < DEPTH and value and not isinstance(value[0], (bool, int, float)):
            yield from _items(name, value, depth)
    elif hasattr(type(value), "all_keys"):  # A data element that lists its fields.
        yield name, kind, ""
        if depth < DEPTH:
            # From a set: unsorted, the outline would differ from run to run.
            entries = sorted(value.metainfo_items(), key=lambda entry: str(entry[0]))
            yield from _named(name, entries, depth)
            yield from _named(name, value.items(), depth)
    else:
        yield name, kind, _path(name, value)


def _named(name, entries, depth) -> _Parts:
    for key, value in islice(entries, KEYS):
        yield from _parts(f"{name}.{key}" if name else str(key), value, depth + 1)


def _items(name, values, depth) -> _Parts:
    first: list[tuple[str, str]] | None = None
    for index, value in enumerate(values[:ITEMS]):
        inner = f"{name}[{index}]"
        parts = list(islice(_parts(inner, value, depth + 1), LINES + 1))
        form = [(where[len(inner) :], _without_sizes(what)) for where, what, _ in parts]
        if form != first:
            yield from parts
        if first is None:
            first = form


def _without_sizes(what: str) -> str:
    """Two images of one batch may differ in size; with another number of dimensions they differ."""
    kind, _, sizes = what.partition(" ")
    dimensions = sizes.split("x")
    if not all(size.isdigit() for size in dimensions):
        return kind
    return "{} {} {}".format(kind, len(dimensions), dimensions[-3] if len(dimensions) > 2 else "")


def _path(name, value) -> str:
    """The end of a path, if the name is that of a path; other values are never recorded."""
    key = name.rsplit(".", 1)[-1].split("[", 1)[0].lower()
    if not isinstance(value, (str, os.PathLike)) or not ("path" in key or "file" in key):
        return ""
    text = os.fspath(value)
    if not isinstance(text, str):
        return ""
    # A signed URL has its secret behind the question mark.
    parts = text.split("?", 1)[0].replace("\\", "/").split("/")
    shown = "/".join(parts[-PATH_PARTS:])
    return shown if len(parts) <= PATH_PARTS else ".../" + shown
