"""Whether an evaluator compares with the annotations of the data set that is validated."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dualwatch.core.plain import PlainDict, PlainValue, as_dict
from dualwatch.core.unread import is_unread
from dualwatch.datasets import annotations as labels
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.mmengine.config import fields

_COMPARES = "CocoMetric"
_DATA = ("CocoDataset",)


def defects(values: PlainDict, roots: Sequence[Path]) -> Iterator[Defect]:
    """An evaluator with the annotation file of other images.

    Args:
        roots: Where relative paths begin; with none, only their names are compared.
    """
    sets = [one for key, one in fields.loader_sets(values) if key.startswith("val_dataloader.")]
    if len(sets) != 1 or not isinstance(sets[0], Mapping):
        return
    validated = _annotation(sets[0])
    if validated is None:
        return
    evaluator = values.get("val_evaluator")
    several = evaluator if isinstance(evaluator, (list, tuple)) else [evaluator]
    for index, one in enumerate(several):
        settings = as_dict(one)
        named = _name(settings.get("ann_file"))
        if not named or fields.without_scope(str(settings.get("type", ""))) != _COMPARES:
            continue
        key = "val_evaluator.ann_file" if one is evaluator else f"val_evaluator.{index}.ann_file"
        if os.path.normpath(named) != validated:
            yield from _different(key, named, validated, roots)


def _annotation(dataset: PlainDict) -> str | None:
    """The annotation file that a data set reads, joined with its root."""
    name, root = _name(dataset.get("ann_file")), dataset.get("data_root")
    kind = fields.without_scope(str(dataset.get("type", "")))
    if kind not in _DATA or not name or is_unread(root):
        return None
    return os.path.normpath(os.path.join(root if isinstance(root, str) else "", name))


def _name(value: PlainValue) -> str:
    """The name of a local file, "" for anything else."""
    is_name = isinstance(value, str) and not is_unread(value)
    return str(value) if is_name and "://" not in str(value) and "{{" not in str(value) else ""


def _different(key: str, named: str, validated: str, roots: Sequence[Path]) -> Iterator[Defect]:
    """What follows of two files that are not the same: they may describe the same images."""
    mine, others = _images(validated, roots), _images(named, roots)
    effect, prevents = "the metric may compare with other images", False
    if mine is not None and others is not None:
        absent = sum(one not in others for one in mine)
        strange = _categories(validated, roots) - _categories(named, roots)
        same = absent == 0 and all(others[one] == mine[one] for one in mine)
        if same and not strange:
            return
        effect = f"{absent} of {len(mine)} images of the validation are not in it"
        if absent == 0:
            effect = "images of the same id have other names in it"
        if same:
            effect = f"it has no category {', '.join(sorted(strange)[:4])}"
        prevents = True
    yield Defect(
        kind=DefectKind.CLASSES,
        key=key,
        text=f"{key} is {named}, and the validation reads {validated}: {effect}",
        do=f"Set {key} to {validated!r}.",
        prevents=prevents,
    )


def _categories(name: str, roots: Sequence[Path]) -> set[str]:
    """The names of the categories of a file that was read."""
    found = next((root / name for root in roots if (root / name).is_file()), None)
    try:
        return set(labels.coco_categories(found)) if found is not None else set()
    except (OSError, ValueError, labels.UnreadAnnotation):
        return set()


def _images(name: str, roots: Sequence[Path]) -> dict[object, str] | None:
    """Id -> file name of the images of a COCO annotation; None where it could not be read."""
    for root in roots:
        try:
            if (root / name).is_file():
                return {one.id: one.name for one in labels.coco_described(root / name)}
        except (OSError, ValueError, TypeError, labels.UnreadAnnotation):
            return None
    return None
