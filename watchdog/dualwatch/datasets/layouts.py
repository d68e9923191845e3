"""Which files a data set reads, by its type and its settings.

Frameworks and domains hand in the readers of their own types. Any other type is tried by the form
of its annotations: such a layout is used only where most of the files turn out to be there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dualwatch.core.text import clean
from dualwatch.core.unread import is_unread
from dualwatch.datasets import annotations as labels
from dualwatch.datasets.spec import DatasetSpec

READ = ("data_root", "ann_file", "data_prefix", "img_prefix", "split", "img_subdir", "ann_subdir")
"""Settings of a data set that say where its files are."""

Files = tuple[tuple[str, ...], ...]
"""What one sample needs; where one of several files does, all of these."""


class DatasetLayout(NamedTuple):
    """Samples, and the files that each of them needs.

    Attributes:
        sure: Whether the type says so, rather than the looks of its annotations.
    """

    keys: Sequence[str]
    files: Callable[[str], Files]
    sure: bool


class UnknownLayout(Exception):
    """Which files a data set reads is not known; the text is the reason."""


class MissingFolder(Exception):
    """What a data set reads first of all is not there; the text is its path."""


def of(
    dataset: DatasetSpec,
    start: Path,
    readers: Mapping[str, ReadLayout],
    guesses: Sequence[Guess] = (),
) -> DatasetLayout:
    """The layout of one data set.

    Args:
        start: Where its relative paths begin.
        readers: Type of a data set -> what reads its layout.
        guesses: Recognise the layout of other types.

    Raises:
        UnknownLayout: It is not known.
        MissingFolder: Its annotation file or image folder is missing.
        labels.BrokenAnnotation, labels.UnreadAnnotation, OSError: Of its annotation file.
    """
    settings = dataset.settings
    if not isinstance(settings, Mapping):
        raise UnknownLayout("it is not written out in the configuration")
    for name in READ:
        _refuse_unknown(name, settings.get(name))
    read = readers.get(dataset.type)
    place = Place(settings, start, read is not None)
    keys, files = read(settings, place) if read is not None else _by_form(settings, place, guesses)
    return DatasetLayout(keys, files, read is not None)


def _refuse_unknown(name: str, value: Any) -> None:
    for part in value.values() if isinstance(value, Mapping) else [value]:
        if is_unread(part):
            raise UnknownLayout(
                f"{name} is computed in the configuration, which was read as text only"
            )
        if isinstance(part, str) and ("://" in part or part.startswith("s3:")):
            raise UnknownLayout(f"{clean(part, 200)} is not on a local disk")
        if part is not None and not isinstance(part, str):
            raise UnknownLayout(f"{name} is not a path: {clean(repr(part), 100)}")


class Place:
    """Joins the paths of a data set."""

    def __init__(self, dataset: Mapping[str, Any], start: Path, sure: bool) -> None:
        self._start = "" if start == Path() else str(start)
        self.root = self.below_start(dataset.get("data_root") or "")
        self.sure = sure
        prefix = dataset.get("data_prefix")
        if not isinstance(prefix, Mapping):
            named = prefix or dataset.get("img_prefix")  # One for all images, in older ones.
            prefix = {"img": named, "sub_data_root": named} if named else {}
        self.prefix = {str(key): self.join(folder or "") for key, folder in prefix.items()}

    def below_start(self, path: str) -> str:
        return os.path.join(self._start, path)

    def join(self, *parts: str) -> str:
        return os.path.join(self.root, *parts)

    def annotation(self, dataset: Mapping[str, Any]) -> Path:
        """Its annotation file.

        Raises:
            MissingFolder: It is not there.
        """
        if not dataset.get("ann_file"):
            raise UnknownLayout("it names no annotation file")
        path = self.join(dataset["ann_file"])
        if not exists(path, os.path.isfile):
            raise MissingFolder(path)
        return Path(path)


def exists(path: str, ask: Callable[[str], bool]) -> bool:
    try:
        return ask(path)
    except ValueError:  # A name that no file system takes.
        return False


_Read = tuple[Sequence[str], Callable[[str], Files]]
ReadLayout = Callable[[Mapping[str, Any], Place], _Read]
Guess = Callable[[Mapping[str, Any], Place], ReadLayout | None]


def coco(dataset: Mapping[str, Any], place: Place) -> _Read:
    """A JSON file that describes all; images under ``data_prefix['img']``."""
    names = labels.coco_images(place.annotation(dataset))
    if "img" in place.prefix or place.sure or not place.prefix:
        folders = [place.prefix.get("img", place.root)]
    else:
        folders = list(place.prefix.values())  # One for each modality, with equal names.

    def files(name: str) -> Files:
        return tuple((os.path.join(folder, name),) for folder in folders)

    return names, files


def voc(dataset: Mapping[str, Any], place: Place) -> _Read:
    """A list of ids; ``JPEGImages/<id>.jpg`` and ``Annotations/<id>.xml`` below one folder."""
    ids = labels.ids(place.annotation(dataset))
    # XMLDataset does not put its data_root before these where no sub_data_root is named.
    usual = place.below_start("") if place.sure else place.root
    below = place.prefix.get("sub_data_root", usual)
    images = os.path.join(below, dataset.get("img_subdir") or "JPEGImages")
    texts = os.path.join(below, dataset.get("ann_subdir") or "Annotations")

    def files(name: str) -> Files:
        return (os.path.join(images, f"{name}.jpg"),), (os.path.join(texts, f"{name}.xml"),)

    return ids, files


def _by_form(dataset: Mapping[str, Any], place: Place, guesses: Sequence[Guess]) -> _Read:
    """A type that is not known here, by the form of what it names."""
    named = dataset.get("ann_file") or ""
    if named.endswith(".json"):
        return coco(dataset, place)
    for guess in guesses:
        read = guess(dataset, place)
        if read is not None:
            return read(dataset, place)
    if not named:
        raise UnknownLayout(_unknown_type(dataset) + ", and it names no annotation file")
    if not named.endswith(".txt"):
        raise UnknownLayout(_unknown_type(dataset) + f", nor is the form of {clean(named, 200)}")
    return voc(dataset, place)


def _unknown_type(dataset: Mapping[str, Any]) -> str:
    kind = clean(str(dataset.get("type", "")), 100)
    return f"what a {kind} reads is not known here" if kind else "it names no type"
