"""Looks whether the images that the annotations of a configuration's data sets name are there.

A training reads its images one by one over an hour; that one of them is missing is known here
within seconds. Nothing is decoded: names are compared, and of a few files the size is looked at.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from dualwatch.core.text import clean
from dualwatch.datasets import annotations as labels
from dualwatch.datasets import layouts
from dualwatch.datasets.file_index import FileIndex, sizes
from dualwatch.datasets.spec import DatasetSpec
from dualwatch.events import DataSeen, DataSet

SAMPLE = 500
"""Images of each data set that are looked for, evenly spread."""

OPENED = 100
"""Annotations of images that are opened, where each has a file of its own."""

TOGETHER = 4096
"""Images that are looked for between two words on the progress."""

NAMED = 100
LENGTH = 500

_T = TypeVar("_T")


@dataclass(slots=True)
class _Planned:
    key: str
    kind: str
    layout: layouts.DatasetLayout | None = None
    sample: Sequence[str] = ()
    why: str = ""
    absent: str = ""
    broken: str = ""


def look(
    datasets: Sequence[DatasetSpec],
    readers: Mapping[str, layouts.ReadLayout],
    guesses: Sequence[layouts.Guess] = (),
    roots: Sequence[Path] = (Path(),),
    *,
    at: float,
    wall: float,
    all_images: bool = False,
    limit: float | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> DataSeen:
    """Looks through data sets.

    Args:
        datasets: Those of all loaders.
        readers, guesses: See ``layouts.of``.
        roots: Where relative paths may begin.
        all_images: Looks for every image rather than for some.
        limit: Seconds after which the data sets that are left are not looked at.
        tell: Called now and then with the images that were looked for and those that will be.
    """
    until = None if limit is None else time.monotonic() + limit
    planned = [
        _plan(one, _start(one.settings, roots), readers, guesses, all_images)
        for one in _distinct(datasets)
    ]
    total = sum(len(one.sample) for one in planned)
    done = 0

    def step(count: int) -> None:
        nonlocal done
        done += count
        tell(min(done, total), total)

    folders = FileIndex()
    sets = []
    for one in planned:
        if until is not None and time.monotonic() > until and one.layout is not None:
            one.layout, one.why = None, "the time was up before it was looked at"
        sets.append(_seen(one, folders, step))
    return DataSeen(at=at, wall=wall, sets=tuple(sets))


def _distinct(datasets: Sequence[DatasetSpec]) -> Iterator[DatasetSpec]:
    """Each data set once: validation and test often share one."""
    known = set()
    for dataset in datasets:
        settings = dataset.settings
        identity = dataset.key
        if isinstance(settings, Mapping):
            names = (*layouts.READ, "type", "return_modality_pair", "modality")
            identity = repr([settings.get(name) for name in names])
        if identity not in known:
            known.add(identity)
            yield dataset


def _start(dataset: Any, roots: Sequence[Path]) -> Path:
    """The first of several roots that has the data: that of a run that was found is not known."""
    names = [dataset.get(n) for n in ("data_root", "ann_file")] if len(roots) > 1 else []
    for name in names:
        for root in roots:
            try:
                if isinstance(name, str) and name and os.path.exists(root / name):
                    return root
            except ValueError:
                break
    return roots[0]


def _plan(
    dataset: DatasetSpec,
    start: Path,
    readers: Mapping[str, layouts.ReadLayout],
    guesses: Sequence[layouts.Guess],
    all_images: bool,
) -> _Planned:
    """Reads its annotations; what is wrong with them is part of the plan."""
    plan = _Planned(clean(dataset.key, 200), clean(dataset.type, 200))
    settings = dataset.settings
    named = settings.get("ann_file") if isinstance(settings, Mapping) else None
    try:
        plan.layout = layouts.of(dataset, start, readers, guesses)
    except layouts.UnknownLayout as error:
        plan.why = str(error)
    except layouts.MissingFolder as error:
        plan.absent = str(error)
        plan.why = "what it reads first of all is not there"
    except labels.BrokenAnnotation as error:
        plan.broken = f"{named}: {error}" if named else str(error)
        plan.why = "its annotations cannot be used"
    except labels.UnreadAnnotation as error:
        plan.why = f"{named}: {error}"
    except OSError as error:
        plan.why = f"{error.filename}: {error.strerror or error}"
    else:
        plan.sample = plan.layout.keys if all_images else spread(plan.layout.keys, SAMPLE)
    return plan


def spread(items: Sequence[_T], count: int) -> Sequence[_T]:
    """So many of them, evenly spread; all where there are no more."""
    if len(items) <= count:
        return items
    return [items[index * len(items) // count] for index in range(count)]


def _seen(plan: _Planned, folders: FileIndex, step: Callable[[int], None]) -> DataSet:
    if plan.layout is None:
        return DataSet(
            key=plan.key,
            kind=plan.kind,
            absent=_bounded([plan.absent] if plan.absent else []),
            broken=_bounded([plan.broken] if plan.broken else []),
            why=clean(plan.why, LENGTH),
        )
    layout, sample = plan.layout, plan.sample
    try:
        absent, lacking = _absent(layout, sample, folders, step)
    except OSError as error:
        why = clean(f"{error.filename}: {error.strerror or error}", LENGTH)
        return DataSet(key=plan.key, kind=plan.kind, why=why)
    if not layout.sure and 2 * lacking > len(sample):
        why = (
            f"what a {plan.kind or 'data set without a type'} reads is not known here: where one "
            f"of its form has its files, {lacking} of {len(sample)} were not found ({absent[0]})"
        )
        return DataSet(key=plan.key, kind=plan.kind, why=clean(why, LENGTH))
    return DataSet(
        key=plan.key,
        kind=plan.kind,
        images=len(layout.keys),
        looked_at=len(sample),
        absent=_bounded(absent),
        lacking=lacking,
        broken=_bounded(_broken(layout, sample, set(absent))),
    )


def _absent(
    layout: layouts.DatasetLayout,
    sample: Sequence[str],
    folders: FileIndex,
    step: Callable[[int], None],
) -> tuple[list[str], int]:
    """Files that are not there, in the order of the samples, and how many samples lack one."""
    absent: list[str] = []
    lacking = 0
    for start in range(0, len(sample), TOGETHER):
        needed = [layout.files(key) for key in sample[start : start + TOGETHER]]
        gone = folders.absent(one for files in needed for alternatives in files
                              for one in alternatives[:1])  # fmt: skip
        others = [one for files in needed for alternatives in files
                  if alternatives[0] in gone for one in alternatives[1:]]  # fmt: skip
        gone |= folders.absent(others)
        for files in needed:
            lost = [alternatives[0] for alternatives in files if gone.issuperset(alternatives)]
            absent += lost
            lacking += bool(lost)
        step(len(needed))
    return absent, lacking


def _broken(
    layout: layouts.DatasetLayout, sample: Sequence[str], absent: set[str]
) -> Iterator[str]:
    """Files of some samples that are there and cannot be used."""
    chosen = [one for key in spread(sample, SAMPLE) for files in layout.files(key) for one in files]
    images = [path for path in chosen if not path.endswith(".xml") and path not in absent]
    for path, size in sizes(images).items():
        if size == 0:
            yield f"{path}: it is empty"
    texts = [path for path in chosen if path.endswith(".xml") and path not in absent]
    for path in spread(texts, OPENED):
        try:
            fault = labels.fault_of_xml(path)
        except FileNotFoundError:
            continue  # Another one of several does.
        except (OSError, ValueError) as error:
            fault = f"it cannot be read: {getattr(error, 'strerror', None) or error}"
        if fault is not None:
            yield f"{path}: {fault}"


def _bounded(paths: Sequence[str] | Iterator[str]) -> tuple[str, ...]:
    return tuple(clean(path, LENGTH) for path in islice(paths, NAMED))
