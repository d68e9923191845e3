"""Layouts of data sets of pairs: LLVIP's and KAIST's."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dualwatch.core.text import clean
from dualwatch.datasets import annotations as labels
from dualwatch.datasets.layouts import Files, MissingFolder, Place, ReadLayout, exists

MODALITIES = ("visible", "infrared")

_KAIST = re.compile(r"^(?P<before>.*)_(?:visible|lwir)_(?P<after>I\d+)$")
_Read = tuple[Sequence[str], Callable[[str], Files]]


def guess(dataset: Mapping[str, Any], place: Place) -> ReadLayout | None:
    """The layout of a data set of a type that is not known, by its folders or its list of ids."""
    folders = [place.prefix.get(name, place.join(name)) for name in MODALITIES]
    if all(exists(folder, os.path.isdir) for folder in folders):
        return llvip
    if not str(dataset.get("ann_file") or "").endswith(".txt"):
        return None
    first = labels.ids(place.annotation(dataset))[0]
    return kaist if _KAIST.match(first.split()[0]) else None


def llvip(dataset: Mapping[str, Any], place: Place) -> _Read:
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
    if not exists(folder, os.path.isdir):
        raise MissingFolder(folder)
    with os.scandir(folder) as entries:
        return {entry.name[:-4] for entry in entries if entry.name.endswith(".jpg")}


def kaist(dataset: Mapping[str, Any], place: Place) -> _Read:
    """A list of ids; both images of a pair in one folder, one annotation for the two."""
    images = place.prefix.get("images", place.join("JPEGImages"))
    texts = place.join(dataset.get("ann_subdir") or "Annotations")
    keys: dict[str, None] = {}
    for line in labels.ids(place.annotation(dataset)):
        match = _KAIST.match(line.split()[0])
        if match is None:
            raise labels.BrokenAnnotation(f"{clean(line, 100)!r} in its list is not a KAIST id")
        keys.setdefault(f"{match['before']}_{{}}_{match['after']}")

    def files(key: str) -> Files:
        before, after = key.rsplit("_{}_", 1)
        both = [f"{before}_{name}_{after}" for name in ("visible", "lwir")]
        return (
            *((os.path.join(images, f"{name}.jpg"),) for name in both),
            tuple(os.path.join(texts, f"{name}.xml") for name in both),
        )

    return list(keys), files
