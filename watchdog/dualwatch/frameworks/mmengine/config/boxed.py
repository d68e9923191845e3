"""Whether a CocoDataset can read the boxes and masks of its annotation file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from dualwatch.core.plain import PlainDict, as_list
from dualwatch.datasets import coco_boxes
from dualwatch.datasets.coco_boxes import Boxes
from dualwatch.events import Defect, DefectKind
from dualwatch.frameworks.mmengine.config.fields import without_scope


def defects(key: str, dataset: PlainDict, names: Collection[str], path: Path) -> Iterator[Defect]:
    """What mmdet's data set refuses, or silently drops as a whole.

    Args:
        names: The classes of the data set; empty where they are not known.

    Raises:
        OSError, ValueError: The file cannot be read.
    """
    found = coco_boxes.read(path, names)
    if found is None:
        return
    place = f"{key}.ann_file"
    trains = key.startswith("train") and dataset.get("test_mode") is not True
    sizes = [name for name in ("height", "width") if name in found.lacking]
    boxes = [name for name in ("bbox", "area", "category_id") if name in found.lacking]
    if sizes or boxes:
        lacking = (sizes or boxes)[0]
        what = "images" if sizes else "annotations"
        text = f"{found.lacking[lacking]} {what} of {path} have no {lacking!r}: loading the data "
        text += "set ends with a KeyError"
        do = f"Add {' and '.join(map(repr, sizes or boxes))} to each of the {what} in {path}."
        yield Defect(kind=DefectKind.NOT_BUILDABLE, key=place, text=text, do=do)
    elif trains and not found.usable:
        why = _why(found, names)
        yield Defect(
            kind=DefectKind.CLASSES,
            key=place,
            text=f"none of the {found.total} annotations of {path} can be trained on{why}",
            do=f"Correct {path}, or name another file in {place}.",
        )
    elif trains and found.unmasked == found.usable and _loads_masks(dataset):
        yield Defect(
            kind=DefectKind.NOT_BUILDABLE,
            key=place,
            text=f"the {found.usable} annotations of {path} have boxes and no segmentation, and "
            f"{key}.pipeline loads masks (with_mask=True)",
            do="Take annotations with masks, or a model without a mask head.",
        )


def _why(found: Boxes, names: Collection[str]) -> str:
    if not found.total:
        return ""
    counts = {
        "belong to images that it does not describe (image_id and id are the same type?)": (
            found.elsewhere
        ),
        f"have other categories than {', '.join(list(names)[:4]) or 'its own'}": found.others,
        "are less than one pixel wide or high (relative coordinates?)": found.tiny,
    }
    shown = [f"{count} {what}" for what, count in counts.items() if count]
    return f": {', '.join(shown)}" if shown else ""


def _loads_masks(dataset: PlainDict) -> bool:
    return any(
        isinstance(one, Mapping)
        and without_scope(str(one.get("type", ""))) == "LoadAnnotations"
        and one.get("with_mask") is True
        for one in as_list(dataset.get("pipeline"))
    )
