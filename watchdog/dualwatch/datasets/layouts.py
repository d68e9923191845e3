"""Which files a data set reads, by its type and its settings.

MMDetection's own types and those of dualmacl are known. Any other type is tried by the form of its
annotations: such a layout is believed only where most of the files turn out to be there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dualwatch.core.text import clean
from dualwatch.datasets import annotations as labels
from dualwatch.frameworks.mmengine.config.fields import without_scope
from dualwatch.frameworks.mmengine.config.literal import is_unknown

MODALITIES = ("visible", "infrared")
READ = ("data_root", "ann_file", "data_prefix", "img_prefix", "split", "img_subdir", "ann_subdir")
"""Settings of a data set that say where its files are."""

_KAIST = re.compile(r"^(?P<before>.*)_(?:visible|lwir)_(?P<after>I\d+)$")

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
    """Which files a data set reads is not known; the text tells why."""


class MissingFolder(Exception):
    """What a data set reads first of all is not there; the text is its path."""


def of(dataset: Any, start: Path, *, ours: bool) -> DatasetLayout:
    """The layout of one data set.

    Args:
        start: Where its relative paths begin.
        ours: Whether the configuration imports dualmacl, so that names of its types are its own.

    Raises:
        Unknown: It cannot be told.
        Gone: Its annotation file or image folder is missing.
        labels.Broken, labels.Unread, OSError: Of its annotation file.
    """
    if not isinstance(dataset, Mapping):
        raise UnknownLayout("it is not written out in the configuration")
    for name in READ:
        _refuse_unknown(name, dataset.get(name))
    kind = without_scope(str(dataset.get("type", "")))
    read = _MMDET.get(kind) or (_DUALMACL.get(kind) if ours else None)
    sure = read is not None
    keys, files = (read or _by_form)(dataset, _Place(dataset, start, sure))
    return DatasetLayout(keys, files, sure)


def _refuse_unknown(name: str, value: Any) -> None:
    for part in value.values() if isinstance(value, Mapping) else [value]:
        if is_unknown(part):
            raise UnknownLayout(
                f"{name} is computed in the configuration, which was read as text only"
            )
        if isinstance(part, str) and ("://" in part or part.startswith("s3:")):
            raise UnknownLayout(f"{clean(part, 200)} is not on a local disk")
        if part is not None and not isinstance(part, str):
            raise UnknownLayout(f"{name} is no path: {clean(repr(part), 100)}")


class _Place:
    """Joins the paths of a data set as mmengine does."""

    def __init__(self, dataset: Mapping[str, Any], start: Path, sure: bool) -> None:
        self._start = "" if start == Path() else str(start)
        self.root = self.below_start(dataset.get("data_root") or "")
        self.sure = sure
        prefix = dataset.get("data_prefix")
        if not isinstance(prefix, Mapping):
            named = prefix or dataset.get("img_prefix")  # mmdet 2 has one for all.
            prefix = {"img": named, "sub_data_root": named} if named else {}
        self.prefix = {str(key): self.join(folder or "") for key, folder in prefix.items()}

    def below_start(self, path: str) -> str:
        return os.path.join(self._start, path)

    def join(self, *parts: str) -> str:
        return os.path.join(self.root, *parts)

    def annotation(self, dataset: Mapping[str, Any]) -> Path:
        """Its annotation file.

        Raises:
            Gone: It is not there.
        """
        if not dataset.get("ann_file"):
            raise UnknownLayout("it names no annotation file")
        path = self.join(dataset["ann_file"])
        if not _exists(path, os.path.isfile):
            raise MissingFolder(path)
        return Path(path)


def _exists(path: str, ask: Callable[[str], bool]) -> bool:
    try:
        return ask(path)
    except ValueError:  # A name that no file system takes.
        return False


_Read = tuple[Sequence[str], Callable[[str], Files]]
ReadLayout = Callable[[Mapping[str, Any], "_Place"], _Read]


def _coco(dataset: Mapping[str, Any], place: _Place) -> _Read:
    """A JSON file that describes all; images under ``data_prefix['img']``."""
    names = labels.coco_images(place.annotation(dataset))
    if "img" in place.prefix or place.sure or not place.prefix:
        folders = [place.prefix.get("img", place.root)]
    else:
        folders = list(place.prefix.values())  # One for each modality, with equal names.

    def files(name: str) -> Files:
        return tuple((os.path.join(folder, name),) for folder in folders)

    return names, files


def _voc(dataset: Mapping[str, Any], place: _Place) -> _Read:
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


def _llvip(dataset: Mapping[str, Any], place: _Place) -> _Read:
    """A folder of each modality with equal names, all of them or those of a list."""
    split = dataset.get("split") or ("train" if place.sure else "")
    folders = {
        name: place.prefix.get(name, place.join(name, split) if split else place.join(name))
        for name in MODALITIES
    }
    if dataset.get("return_modality_pair") is False:
        wanted = [folders.get(str(dataset.get("modality", "visible")), folders["visible"])]
    else:
        wanted = list(folders.values())
    texts = place.join(dataset.get("ann_subdir") or "Annotations")
    listed = bool(dataset.get("ann_file"))
    if listed:
        keys = [line.strip() for line in labels.ids(place.annotation(dataset))]
    else:
        keys = sorted(set().union(*(_stems(folder) for folder in wanted)))
        if not keys:
            raise labels.BrokenAnnotation(f"there is no .jpg image in {' or '.join(wanted)}")

    def files(key: str) -> Files:
        # Without a list the images were found; that both of a pair are there is asked elsewhere.
        images = tuple((os.path.join(folder, f"{key}.jpg"),) for folder in wanted if listed)
        return (*images, (os.path.join(texts, f"{key}.xml"),))

    return keys, files


def _stems(folder: str) -> set[str]:
    if not _exists(folder, os.path.isdir):
        raise MissingFolder(folder)
    with os.scandir(folder) as entries:
        return {entry.name[:-4] for entry in entries if entry.name.endswith(".jpg")}


def _kaist(dataset: Mapping[str, Any], place: _Place) -> _Read:
    """A list of ids; both images of a pair in one folder, one annotation for the two."""
    images = place.prefix.get("images", place.join("JPEGImages"))
    texts = place.join(dataset.get("ann_subdir") or "Annotations")
    keys: dict[str, None] = {}
    for line in labels.ids(place.annotation(dataset)):
        match = _KAIST.match(line.split()[0])
        if match is None:
            raise labels.BrokenAnnotation(f"{clean(line, 100)!r} in its list is no KAIST id")
        keys.setdefault(f"{match['before']}_{{}}_{match['after']}")

    def files(key: str) -> Files:
        before, after = key.rsplit("_{}_", 1)
        both = [f"{before}_{name}_{after}" for name in ("visible", "lwir")]
        return (
            *((os.path.join(images, f"{name}.jpg"),) for name in both),
            tuple(os.path.join(texts, f"{name}.xml") for name in both),
        )

    return list(keys), files


def _by_form(dataset: Mapping[str, Any], place: _Place) -> _Read:
    """A type that is not known here, by the looks of what it names."""
    named = dataset.get("ann_file") or ""
    if named.endswith(".json"):
        return _coco(dataset, place)
    has_two = all(
        _exists(place.prefix.get(name, place.join(name)), os.path.isdir) for name in MODALITIES
    )
    if has_two:
        return _llvip(dataset, place)
    if not named:
        raise UnknownLayout(_stranger(dataset) + ", and it names no annotation file")
    if not named.endswith(".txt"):
        raise UnknownLayout(_stranger(dataset) + f", nor is the form of {clean(named, 200)}")
    first = labels.ids(place.annotation(dataset))[0]
    return (_kaist if _KAIST.match(first.split()[0]) else _voc)(dataset, place)


def _stranger(dataset: Mapping[str, Any]) -> str:
    kind = clean(str(dataset.get("type", "")), 100)
    return f"what a {kind} reads is not known here" if kind else "its type is not told"


_MMDET: Mapping[str, Callable[[Mapping[str, Any], _Place], _Read]] = {
    "CocoDataset": _coco,
    "VOCDataset": _voc,
    "XMLDataset": _voc,
}
_DUALMACL: Mapping[str, Callable[[Mapping[str, Any], _Place], _Read]] = {
    "KAISTPairedDataset": _kaist,
    "LLVIPDataset": _llvip,
    "ShuffledLLVIPDataset": _llvip,
}
