"""Reads the XML of a VOC annotation."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping


class AnnotationError(ValueError):
    """An annotation file is not what it should be; the message names it."""


def read_voc_xml(
    text: bytes, path: str, labels: Mapping[str, int], ignored: frozenset[str] = frozenset()
) -> dict:
    """Parses one annotation.

    Args:
        text: Content of the file.
        path: Its path, for messages.
        labels: Label of each class name; objects of other classes are left out.
        ignored: Class names that become ignored boxes (label 0), neither person nor background.

    Returns:
        ``width`` and ``height`` in pixels, and ``instances`` in MMDetection's form: ``bbox`` is
        (x1, y1, x2, y2), 0-based (VOC counts from 1), with ``bbox_label`` and ``ignore_flag``.

    Raises:
        AnnotationError: If it is not XML, has no size, or has a box without area.
    """
    try:
        root = ET.fromstring(text)
        size = _child(root, "size")
        width, height = (int(_child(size, key).text or "") for key in ("width", "height"))
        instances = []
        for item in root.iter("object"):
            name = (_child(item, "name").text or "").strip()
            if name not in labels and name not in ignored:
                continue
            corners = _child(item, "bndbox")
            bbox = [
                float(_child(corners, key).text or "") - 1.0
                for key in ("xmin", "ymin", "xmax", "ymax")
            ]
            if bbox[2] <= bbox[0] or bbox[3] <= bbox[1]:
                raise AnnotationError(f"{path}: a box of {name!r} has no area: {bbox}")
            difficult = (item.findtext("difficult") or "0").strip() == "1"
            instances.append(
                {
                    "bbox": bbox,
                    "bbox_label": labels.get(name, 0),
                    "ignore_flag": int(difficult or name in ignored),
                }
            )
    except AnnotationError:
        raise
    except (ET.ParseError, ValueError) as error:
        raise AnnotationError(f"{path}: {error}") from error
    return {"width": width, "height": height, "instances": instances}


def _child(parent: ET.Element, tag: str) -> ET.Element:
    child = parent.find(tag)
    if child is None:
        raise ValueError(f"<{parent.tag}> holds no <{tag}>")
    return child
