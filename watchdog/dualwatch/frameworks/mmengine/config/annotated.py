"""Whether the annotations that exist fit the classes and the filters of a configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dualwatch.core.plain import PlainDict
from dualwatch.core.text import clean
from dualwatch.core.unread import is_unread
from dualwatch.datasets import annotations as labels
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.mmengine.config import boxed, fields
from dualwatch.frameworks.mmengine.config import classes as agreed

MOST_SETS = 10
_BY_NAME = ("CocoDataset", "CrowdHumanDataset", "DeepFashionDataset", "Objects365V1Dataset")
"""Data sets that take categories by their names."""

_LISTED = ("CustomDataset", "ImageNet", "ImageNet21k")
"""Data sets of mmpretrain whose annotation is a text of ``NAME LABEL`` lines."""


def defects(
    values: PlainDict,
    roots: Sequence[Path],
    of_type: Mapping[str, Sequence[str]] = {},
) -> Iterator[Defect]:
    """Disagreements of annotation files with classes and heads."""
    named = {one.key: one for one in agreed.labelled(values, of_type)}
    heads = agreed.heads(values)
    for key, dataset in list(fields.loader_sets(values))[:MOST_SETS]:
        if not isinstance(dataset, Mapping) or key.startswith(("test", "data.test")):
            continue
        kind = fields.without_scope(str(dataset.get("type", "")))
        path = _annotation(dataset, roots)
        found = named.get(key)
        try:
            if kind == "CocoDataset" and path is not None:
                yield from boxed.defects(key, dataset, found.names if found else (), path)
            if kind in _BY_NAME and path is not None and dataset.get("test_mode") is not True:
                yield from _filtered(key, dataset, path)
            if kind in _BY_NAME and found is not None and found.names and path is not None:
                yield from _categories(key, found, labels.coco_categories(path), path)
            elif kind in ("VOCDataset", "XMLDataset") and found is not None and found.names:
                yield from _objects(key, found, dataset, path, roots)
            elif kind in _LISTED and path is not None:
                yield from _labels(key, heads, labels.listed_labels(path), path)
            elif kind in _LISTED and not dataset.get("ann_file"):
                yield from _folders(key, heads, dataset, roots)
        except (OSError, ValueError, labels.UnreadAnnotation):
            continue  # What is wrong with the file itself, the look at the images reports.


def _annotation(dataset: PlainDict, roots: Sequence[Path]) -> Path | None:
    named = dataset.get("ann_file")
    if not isinstance(named, str) or not named or is_unread(named) or "://" in named:
        return None
    return _found(dataset, named, roots, os.path.isfile)


def _found(dataset: PlainDict, name: str, roots: Sequence[Path], ask: Any) -> Path | None:
    root = dataset.get("data_root")
    root = root if isinstance(root, str) and not is_unread(root) and "://" not in root else ""
    for start in roots:
        place = start / os.path.join(root, name)
        try:
            if ask(place):
                return place
        except ValueError:
            return None
    return None


def _categories(
    key: str, found: agreed.Labelled, present: Sequence[str], path: Path
) -> Iterator[Defect]:
    """A class that no category has is silently left out, and the labels move up."""
    absent = [name for name in found.names if name not in present]
    if not absent or not present:
        return
    of_all = len(absent) == len(found.names)
    shown = _shown(absent)
    there = _shown(present)
    default = "" if found.written else f" (the classes of a {found.type}; metainfo names none)"
    if of_all:
        text = f"none of the classes{default} is a category of {path}: {shown}; it has {there}"
        text += ": every annotation is dropped"
    else:
        count = f"{len(absent)} of {len(found.names)} classes{default}"
        text = f"{count} are not among the categories of {path}: {shown}; it has {there}"
    yield Defect(
        kind=DefectKind.CLASSES,
        key=f"{key}.metainfo.classes",
        text=text,
        do=f"Write the classes in {key}.metainfo exactly as the categories of the file are named.",
        prevents=of_all or found.written,
    )


def _filtered(key: str, dataset: PlainDict, path: Path) -> Iterator[Defect]:
    """Images that the data set leaves out silently because they are small."""
    settings = dataset.get("filter_cfg")
    least = settings.get("min_size") if isinstance(settings, Mapping) else None
    if type(least) is not int or least <= 0:
        return
    sides = [one.shorter for one in labels.coco_described(path)]
    small = [side for side in sides if 0 < side < least]
    if 2 * len(small) <= len(sides):
        return
    is_all = len(small) == len(sides)
    effect = "nothing is left to train on" if is_all else "they are not trained on"
    yield Defect(
        kind=DefectKind.CLASSES,
        key=f"{key}.filter_cfg.min_size",
        text=f"{len(small)} of {len(sides)} images of {path} are smaller than min_size={least} "
        f"({key}.filter_cfg) and are left out: {effect}",
        do=f"Set {key}.filter_cfg.min_size to {int(min(small))} or less.",
        prevents=is_all,
    )


def _objects(
    key: str,
    found: agreed.Labelled,
    dataset: PlainDict,
    path: Path | None,
    roots: Sequence[Path],
) -> Iterator[Defect]:
    if path is None:
        return
    prefix = dataset.get("data_prefix")
    below = prefix.get("sub_data_root", "") if isinstance(prefix, Mapping) else ""
    folder = os.path.join(str(below or ""), str(dataset.get("ann_subdir") or "Annotations"))
    place = _found(dataset, folder, roots, os.path.isdir)
    if place is None:
        return
    present = labels.voc_names(place, labels.ids(path))
    if present and not set(present) & set(found.names):
        yield Defect(
            kind=DefectKind.CLASSES,
            key=f"{key}.metainfo.classes",
            text=f"none of the classes is the name of an object in {place} (of those looked at): "
            f"{_shown(found.names)}; they have {_shown(present)}: every annotation is dropped",
            do=f"Write the classes in {key}.metainfo exactly as the annotations name them.",
        )


def _labels(
    key: str, heads: Sequence[agreed.Head], found: labels.Labels | None, path: Path
) -> Iterator[Defect]:
    main = next((one for one in heads if one.key == "model.head.num_classes"), None)
    if main is None or found is None or found.highest < main.number:
        return
    yield Defect(
        kind=DefectKind.LABEL,
        key=f"{key}.ann_file",
        text=f"{path} line {found.line} has the label {found.highest}, and the head has "
        f"{main.number} outputs, 0 to {main.number - 1} ({main.key})",
        do=f"Set num_classes={found.highest + 1} in the head, or correct the labels: they count "
        "from 0.",
    )


def _folders(
    key: str, heads: Sequence[agreed.Head], dataset: PlainDict, roots: Sequence[Path]
) -> Iterator[Defect]:
    """Without an annotation file, each folder is a class."""
    main = next((one for one in heads if one.key == "model.head.num_classes"), None)
    named = dataset.get("data_prefix") or ""
    prefix = named.get("img_path", "") if isinstance(named, Mapping) else named
    if main is None or not isinstance(prefix, str) or dataset.get("with_label") is False:
        return
    split = dataset.get("split")
    below = os.path.join(prefix, split) if isinstance(split, str) and not prefix else prefix
    place = _found(dataset, below, roots, os.path.isdir)
    if place is None or not (dataset.get("data_root") or prefix):
        return
    folders = sorted(one.name for one in os.scandir(place) if one.is_dir())
    if len(folders) > main.number:
        yield Defect(
            kind=DefectKind.LABEL,
            key=f"{key}.data_prefix",
            text=f"{place} has {len(folders)} folders, each of which is a class, and the head has "
            f"{main.number} outputs ({main.key})",
            do=f"Set num_classes={len(folders)} in the head, or move the other folders away.",
        )
    elif folders and len(folders) < main.number:
        yield Defect(
            kind=DefectKind.CLASSES,
            key=main.key,
            text=f"each folder is a class: {place} has {len(folders)}, and the head has "
            f"{main.number} outputs ({main.key}), of which the others are never trained",
            do=f"If the folders are right, set num_classes={len(folders)} in the head.",
            prevents=False,
        )


def _shown(names: Sequence[str]) -> str:
    return clean(", ".join(names[:4]), 200) + (", ..." if len(names) > 4 else "")
