"""Compares the two image folders of a data set of pairs: who has no partner?

Only names are read, never an image. Folders that neither the configuration names nor a usual layout
has are not compared.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import NamedTuple

from dualwatch.core.plain import PlainDict, PlainValue
from dualwatch.core.text import clean
from dualwatch.core.unread import is_unread
from dualwatch.datasets.spec import DatasetSpec
from dualwatch.domains.base import Progress, silent
from dualwatch.domains.paired.modality_names import modality, without_modality

LIMIT = 100_000
NAMED = 100
"""Images without a partner that are named."""

_IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".npy")
_FOLDER_KEYS = ("prefix", "dir", "folder", "path", "root")
_TOGETHER = "JPEGImages"
"""VOC's folder for all images, where KAIST's conversions keep both of a pair."""

_EVERY = 2000
"""Names between two words on the progress."""


class PairFolders(NamedTuple):
    """Where the two of each pair lie; the same folder twice where they lie together."""

    visible: Path
    infrared: Path


def compare(
    datasets: Sequence[DatasetSpec],
    *,
    paired: bool = True,
    limit: int = LIMIT,
    all_pairs: bool = False,
    roots: Sequence[Path] = (),
    tell: Progress = silent,
) -> tuple[tuple[str, ...], int]:
    """Images of a configuration's data sets that have no partner in the other modality.

    Args:
        datasets: Those of all loaders, wrappers included.
        paired: Whether the usual folders are looked for where none are named.
        limit: Pairs that are compared in each data set; of more, so many, evenly spread.
        all_pairs: Compares them all.
        roots: Where relative paths may begin, the present folder if not given.
        tell: Called now and then with the files that were listed so far and with 0, since their
            number is not known; in the end with what was compared, twice.

    Returns:
        Paths of those without a partner, bounded, and the number of pairs that were compared.
    """
    unpaired: list[str] = []
    looked_at = listed = 0

    def count() -> None:
        nonlocal listed
        listed += 1
        if listed % _EVERY == 0:
            tell(listed, 0)

    for folders in _all_folders(datasets, tuple(roots) or (Path(),), paired):
        visible, infrared = _listed(folders, count)
        stems = sorted(visible.keys() | infrared.keys())
        if len(stems) > limit and not all_pairs:
            stems = [stems[index * len(stems) // limit] for index in range(limit)]
        looked_at += len(stems)
        # One of each side by turns, so that the first names show both.
        alone = [
            [str(own / names[stem]) for stem in stems if stem in names and stem not in others]
            for own, names, others in (
                (folders.visible, visible, infrared),
                (folders.infrared, infrared, visible),
            )
        ]
        mixed = chain.from_iterable(zip_longest(*alone))
        unpaired += [clean(path, 500) for path in mixed if path is not None]
    tell(looked_at, looked_at)
    return tuple(unpaired[:NAMED]), looked_at


def folders_of(dataset: PlainDict, roots: Sequence[Path], *, usual: bool) -> PairFolders | None:
    """The two folders of one data set.

    Args:
        usual: Whether to look for the usual ones below its root, where none are named.
    """
    if dataset.get("return_modality_pair") is False:
        return None
    data_root = dataset.get("data_root")
    if is_unread(data_root):
        return None
    below = data_root if isinstance(data_root, str) else ""
    if "://" in below:
        return None
    prefix = dataset.get("data_prefix")
    split = dataset.get("split")
    for start in roots:
        root = start / below
        named = _named(prefix if isinstance(prefix, Mapping) else dataset, root)
        found = named
        if found is None and usual and below and not prefix and root.is_dir():
            found = _usual(root, split)
        if found is not None and found.visible.is_dir() and found.infrared.is_dir():
            return found
    return None


def _all_folders(
    datasets: Sequence[DatasetSpec], roots: Sequence[Path], paired: bool
) -> Iterator[PairFolders]:
    """Those of every data set, each once: loaders often share one."""
    seen = set()
    for one in datasets:
        for dataset in _datasets(one.settings):
            try:
                found = folders_of(dataset, roots, usual=paired)
            except (OSError, ValueError):  # A name that no file system takes.
                continue
            if found is not None and found not in seen:
                seen.add(found)
                yield found


def _datasets(value: PlainValue) -> Iterator[PlainDict]:
    """Every dictionary below that looks like a data set; wrappers are passed through."""
    if isinstance(value, Mapping):
        if any(key in value for key in ("data_root", "data_prefix", "img_prefix")):
            yield value
        for part in value.values():
            yield from _datasets(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _datasets(part)


def _named(entries: PlainDict, root: Path) -> PairFolders | None:
    """Two folders of different modality, by their keys or by their own names."""
    found: dict[str, Path] = {}
    rest: list[str] = []
    in_prefix = "data_root" not in entries and "type" not in entries
    for key, folder in entries.items():
        if not isinstance(folder, str) or is_unread(folder) or "://" in folder:
            continue
        if key == "data_root":
            continue
        if not in_prefix and not any(word in key for word in _FOLDER_KEYS):
            continue
        kind = modality(str(key)) or modality(folder)
        if kind is None:
            rest.append(folder)
        else:
            found.setdefault(kind, root / folder)
    if in_prefix and len(rest) == 1:
        if not found:
            return PairFolders(
                root / rest[0], root / rest[0]
            )  # Both in one, or nothing to compare.
        # `img` beside `img_ir` is the visible one.
        found.setdefault("visible", root / rest[0])
    return PairFolders(found["visible"], found["infrared"]) if len(found) == 2 else None


def _usual(root: Path, split: object) -> PairFolders | None:
    """A folder for each modality (and in it one for the split), or one that holds both."""
    found: dict[str, Path] = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        kind = modality(folder.name)
        if kind is not None:
            inner = folder / split if isinstance(split, str) and split else folder
            found.setdefault(kind, inner)
    if len(found) == 2:
        return PairFolders(found["visible"], found["infrared"])
    together = root / _TOGETHER
    return PairFolders(together, together) if together.is_dir() else None


def _listed(
    folders: PairFolders, count: Callable[[], None]
) -> tuple[dict[str, str], dict[str, str]]:
    """What each folder holds: what both of a pair have in common -> the file's name."""
    try:
        if folders.visible == folders.infrared:
            names = list(_images(folders.visible, count))
            sides: dict[str, dict[str, str]] = {"visible": {}, "infrared": {}}
            for stem, name in names:
                kind = modality(stem)
                if kind is not None:
                    sides[kind][without_modality(stem)] = name
            whole = all(sides.values())
            return (sides["visible"], sides["infrared"]) if whole else ({}, {})
        visible, infrared = (
            dict(_images(folders.visible, count)),
            dict(_images(folders.infrared, count)),
        )
        for folder, side in zip(folders, (visible, infrared), strict=True):
            if not side and any(folder.iterdir()):
                return {}, {}  # Files of a kind that is not known here.
    except OSError:
        return {}, {}
    if not visible.keys() & infrared.keys():
        # The modality may be part of the name: 17_visible.png beside 17_lwir.png.
        visible = {without_modality(stem): name for stem, name in visible.items()}
        infrared = {without_modality(stem): name for stem, name in infrared.items()}
    return visible, infrared


def _images(folder: Path, count: Callable[[], None]) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            count()
            stem, ending = os.path.splitext(entry.name)
            if ending.lower() in _IMAGES:
                yield stem, entry.name
