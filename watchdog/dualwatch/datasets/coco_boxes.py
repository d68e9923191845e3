"""Whether the boxes of a COCO annotation can be trained on, as the detector reads them."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dualwatch.datasets.annotations import WHOLE


class Boxes(NamedTuple):
    """What a COCO annotation of moderate size holds.

    Attributes:
        total: Its annotations.
        usable: Those that are trained on.
        lacking: Key that each must have -> how many annotations, or images, have none.
        unmasked: Usable ones without a segmentation.
        elsewhere: Those of an image that the file does not describe.
        others: Those of other categories than the wanted ones.
        tiny: Those whose width or height is below 1.
    """

    total: int
    usable: int
    lacking: dict[str, int]
    unmasked: int
    elsewhere: int
    others: int
    tiny: int


def read(path: Path, names: Collection[str]) -> Boxes | None:
    """The boxes of a file; None where it is too large to be read as a whole, or no COCO file.

    Args:
        names: The categories that are wanted; empty for all of them.

    Raises:
        OSError, ValueError: It cannot be read.
    """
    if os.path.getsize(path) > WHOLE:
        return None
    document = json.loads(path.read_bytes())
    if not isinstance(document, dict):
        return None
    images, boxes, kinds = (document.get(n) for n in ("images", "annotations", "categories"))
    if not (isinstance(images, list) and isinstance(boxes, list) and isinstance(kinds, list)):
        return None
    listed = [one for one in boxes if isinstance(one, dict)]
    wanted = {
        _key(one.get("id"))
        for one in kinds
        if isinstance(one, dict) and (not names or one.get("name") in names)
    }
    sizes = {_key(one.get("id")): one for one in images if isinstance(one, dict)}
    return _counted(listed, sizes, wanted)


def _counted(
    boxes: list[dict[str, Any]], images: Mapping[Any, dict[str, Any]], wanted: set[Any]
) -> Boxes:
    lacking = {
        name: sum(name not in one for one in images.values()) for name in ("height", "width")
    }
    usable = unmasked = elsewhere = others = tiny = 0
    for one in boxes:
        if _key(one.get("image_id")) not in images:
            elsewhere += 1
            continue
        for name in ("bbox", "area", "category_id"):
            lacking[name] = lacking.get(name, 0) + (name not in one)
        box = one.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
            continue
        if _key(one.get("category_id")) not in wanted:
            others += 1
        elif box[2] < 1 or box[3] < 1:
            tiny += 1
        else:
            usable += 1
            unmasked += not one.get("segmentation")
    absent = {name: count for name, count in lacking.items() if count}
    return Boxes(len(boxes), usable, absent, unmasked, elsewhere, others, tiny)


def _key(value: Any) -> Any:
    """A value that a set can hold; 1 and "1" are not the same."""
    return value if isinstance(value, (int, str)) else repr(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
