"""What the annotations of a data set name: COCO's JSON, lists of ids, VOC's XML.

Annotation files may be of any size. A small one is read as a whole; of a large one only the list
of its images is read, piece by piece, in bounded memory.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from dualwatch.core.text import clean

WHOLE = 16_000_000
"""Bytes of a COCO file that is parsed as a whole; that takes about ten times the memory."""

LIST_BYTES = 200_000_000
XML_BYTES = 2_000_000
PATIENCE = 20.0
"""Seconds for one annotation file."""

_PIECE = 1 << 20
_OBJECT = 4 * _PIECE
"""Characters of the description of one image, at most."""

_IMAGES = re.compile(rb'"images"\s*:\s*\[')
_OVERLAP = 64


class BrokenAnnotation(ValueError):
    """An annotation file exists and is not valid."""


class UnreadAnnotation(Exception):
    """An annotation file was not read, which says nothing against it."""


class Described(NamedTuple):
    """An image as a COCO annotation describes it; the shorter of its sides is 0 where unknown."""

    id: Any
    name: str
    shorter: float


def coco_images(path: Path) -> list[str]:
    """The file names of the images that a COCO annotation describes, in their order.

    Raises:
        Broken: It is no COCO annotation.
        Unread: It is too large for the time.
        OSError: It cannot be read.
    """
    return [one.name for one in coco_described(path)]


def coco_described(path: Path) -> list[Described]:
    """The images that a COCO annotation describes, in their order; raises as ``coco_images``."""
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size == 0:
            raise BrokenAnnotation("it is empty")
        described = _whole(stream.read()) if size <= WHOLE else _piecewise(stream, size)
        found = [_described(one) for one in described]
    if not found:
        raise BrokenAnnotation("it describes no image")
    return found


def _whole(data: bytes) -> Iterator[Any]:
    try:
        document = json.loads(data)
    except RecursionError:
        raise BrokenAnnotation("it is nested too deeply") from None
    except ValueError as error:
        raise BrokenAnnotation(f"it is not valid JSON: {clean(str(error), 200)}") from None
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, list):
        raise BrokenAnnotation("it holds no list of images")
    return iter(images)


def _described(described: Any) -> Described:
    name = _file_name(described)
    sides = [described.get("width"), described.get("height")]
    known = all(type(one) in (int, float) for one in sides)
    return Described(described.get("id"), name, min(sides) if known else 0)


def _file_name(described: Any) -> str:
    name = described.get("file_name") if isinstance(described, dict) else None
    if not isinstance(name, str) or not name:
        raise BrokenAnnotation("an image in it has no file_name")
    return name


def _piecewise(stream: BinaryIO, size: int) -> Iterator[Any]:
    """The items of its list of images. The text around them is not parsed."""
    until = time.monotonic() + PATIENCE
    stream.seek(-min(size, _OVERLAP), os.SEEK_END)
    if not stream.read().rstrip().endswith(b"}"):
        raise BrokenAnnotation("its end is missing")
    stream.seek(0)
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    text, place = decode(_after_images(stream, until)), 0
    read_one = json.JSONDecoder().raw_decode
    while True:
        while place < len(text) and text[place] in " \t\r\n,":
            place += 1
        if text[place : place + 1] == "]":
            return
        try:
            described, place = read_one(text, place)
        except (ValueError, RecursionError):
            piece = stream.read(_PIECE)
            if not piece or len(text) - place > _OBJECT:
                raise BrokenAnnotation("its list of images is not valid JSON") from None
            _look_at_the_clock(until)
            text, place = text[place:] + decode(piece), 0
            continue
        yield described


def _after_images(stream: BinaryIO, until: float) -> bytes:
    """What was read of the stream behind the opening bracket of the list of images."""
    tail = b""
    while piece := stream.read(_PIECE):
        _look_at_the_clock(until)
        tail += piece
        match = _IMAGES.search(tail)
        if match is not None:
            return tail[match.end() :]
        tail = tail[-_OVERLAP:]
    raise BrokenAnnotation("it holds no list of images")


def _look_at_the_clock(until: float) -> None:
    if time.monotonic() > until:
        raise UnreadAnnotation(f"it is too large to be read within {PATIENCE:g} s")


def ids(path: Path) -> list[str]:
    """The lines of a list of images that are not empty.

    Raises:
        Broken: It names nothing, or is no text.
        Unread: It is too large.
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        data = stream.read(LIST_BYTES + 1)
    if len(data) > LIST_BYTES:
        raise UnreadAnnotation(f"it is longer than {LIST_BYTES // 10**6} MB")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise BrokenAnnotation("it is not UTF-8 text") from None
    found = [line for line in lines if line.strip()]
    if not found:
        raise BrokenAnnotation("it is empty")
    return found


def fault_of_xml(path: str) -> str | None:
    """What is wrong with a VOC annotation, None where nothing is.

    Raises:
        OSError: It cannot be read.
    """
    from xml.etree import ElementTree

    with open(path, "rb") as stream:
        data = stream.read(XML_BYTES + 1)
    if not data.strip():
        return "it is empty"
    if len(data) > XML_BYTES or b"<!ENTITY" in data:
        return None  # Not for us to open.
    try:
        ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        return f"it is not valid XML: {clean(str(error), 200)}"
    return None


# --- classes -------------------------------------------------------------------------------------

_CATEGORIES = re.compile(rb'"categories"\s*:\s*\[')
_MOST_XML = 40
_LABEL = re.compile(r"^(?P<name>.*\S)\s+(?P<label>-?\d+)$")


class Labels(NamedTuple):
    """The highest label of an annotation, and the line that it is in."""

    highest: int
    line: int


def coco_categories(path: Path) -> list[str]:
    """The names of the categories of a COCO annotation; empty where it has none.

    Raises:
        BrokenAnnotation, UnreadAnnotation, OSError: As ``coco_images``.
    """
    with path.open("rb") as stream:
        if os.fstat(stream.fileno()).st_size <= WHOLE:
            document = json.loads(stream.read())
            named = document.get("categories") if isinstance(document, dict) else None
        else:
            named = _streamed(stream)
    listed = named if isinstance(named, list) else []
    names = [one.get("name") for one in listed if isinstance(one, dict)]
    return [one for one in names if isinstance(one, str)]


def _streamed(stream: BinaryIO) -> Any:
    """The list of categories of a large file, which is read piece by piece."""
    until = time.monotonic() + PATIENCE
    tail = b""
    while piece := stream.read(_PIECE):
        _look_at_the_clock(until)
        tail += piece
        match = _CATEGORIES.search(tail)
        if match is not None:
            text = (tail[match.end() - 1 :] + stream.read(_OBJECT)).decode("utf-8", "replace")
            return json.JSONDecoder().raw_decode(text)[0]
        tail = tail[-_OVERLAP:]
    return None


def voc_names(folder: Path, ids: list[str]) -> list[str]:
    """The names of objects in some of the XML files of a VOC data set.

    Raises:
        OSError: One cannot be read.
    """
    from xml.etree import ElementTree

    step = max(1, len(ids) // _MOST_XML)
    found: set[str] = set()
    for name in ids[::step][:_MOST_XML]:
        path = folder / f"{name.split()[0]}.xml"
        if not path.is_file() or path.stat().st_size > XML_BYTES:
            continue
        data = path.read_bytes()
        if b"<!ENTITY" in data:
            continue
        try:
            tree = ElementTree.fromstring(data)
        except (ElementTree.ParseError, ValueError, LookupError):
            continue
        found |= {(one.text or "").strip() for one in tree.iterfind("object/name")}
    return sorted(found - {""})


def listed_labels(path: Path) -> Labels | None:
    """The highest label of a text of ``NAME LABEL`` lines; None for any other text.

    Raises:
        BrokenAnnotation, UnreadAnnotation, OSError: As ``ids``.
    """
    if path.suffix.lower() != ".txt":
        return None
    highest = Labels(-1, 0)
    for number, line in enumerate(ids(path), start=1):
        match = _LABEL.match(line.strip())
        if match is None:
            return None
        label = int(match["label"])
        if label > highest.highest:
            highest = Labels(label, number)
    return highest if highest.highest >= 0 else None
