"""TensorBoard's event files byte by byte: records, their checksums, the events in them. Pure.

A file is a row of records: the length (8 bytes), its checksum, the event, its checksum. An event is
a protobuf message; only the few fields that a number or a text needs are known here. See
``docs/decisions/0012-own-event-files.md``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

OWN = ".of-dualwatch"
"""How the name of an event file that dualwatch writes ends."""

HEAD = 12
"""Bytes of a record before its event: the length and its checksum."""

FRAME = 16
"""Bytes of a record around its event."""

_VERSION = b"brain.Event:2"
_MASK = 0xA282EAD8
_FLOATS = {1: "<f", 2: "<d"}
"""TensorFlow's numbers of the two kinds of floats -> how they stand in a file."""

_STRING = 7
_TENSOR_CLASS = 2


def is_own(name: str) -> bool:
    """Whether an event file is one of dualwatch's own, by its name."""
    return name.endswith(OWN)


@dataclass(frozen=True, slots=True)
class EventFileRecord:
    """One event.

    Attributes:
        wall: Seconds since the epoch.
        scalars: Tag -> number; images, histograms and texts are left out.
    """

    wall: float
    step: int
    scalars: Mapping[str, float]


# --- records ---------------------------------------------------------------------------------


def framed(event: bytes) -> bytes:
    """An event as a record."""
    length = struct.pack("<Q", len(event))
    return b"".join(
        (length, struct.pack("<I", checksum(length)), event, struct.pack("<I", checksum(event)))
    )


def length_of(head: bytes) -> int:
    """Length of the event that comes after these ``HEAD`` bytes.

    Raises:
        ValueError: They are no beginning of a record.
    """
    length, said = struct.unpack("<QI", head)
    if checksum(head[:8]) != said:
        raise ValueError("no beginning of a record")
    return int(length)


def checksum(data: bytes) -> int:
    """CRC-32C (Castagnoli), masked as TensorFlow does it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def _entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value


_TABLE = tuple(map(_entry, range(256)))


# --- reading ---------------------------------------------------------------------------------


def decode(data: bytes) -> EventFileRecord:
    """An event from its bytes.

    Raises:
        ValueError: They are none.
    """
    wall, step, scalars = 0.0, 0, {}
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            wall = _unpacked("<d", value)
        elif number == 2 and isinstance(value, int):
            step = value - (1 << 64) if value >> 63 else value
        elif number == 5 and isinstance(value, bytes):
            for inner, summary in _fields(value):
                if inner == 1 and isinstance(summary, bytes):
                    scalars.update(_scalar(summary))
    return EventFileRecord(wall, step, scalars)


def _scalar(data: bytes) -> dict[str, float]:
    """Tag and number of a summary in the old form (torch's) or the new one, if it is one."""
    tag, number, plugin, tensor = b"", None, b"", None
    for field, value in _fields(data):
        if not isinstance(value, bytes):
            continue
        if field == 1:
            tag = value
        elif field == 2:
            number = _unpacked("<f", value)
        elif field == 8:
            tensor = value
        elif field == 9:
            plugin = _plugin(value)
    if number is None and tensor is not None and plugin in (b"", b"scalars"):
        number = _of_tensor(tensor)
    return {tag.decode("utf-8", "replace"): number} if tag and number is not None else {}


def _plugin(metadata: bytes) -> bytes:
    for number, value in _fields(metadata):
        if number == 1 and isinstance(value, bytes):
            return next((v for n, v in _fields(value) if n == 1 and isinstance(v, bytes)), b"")
    return b""


def _of_tensor(data: bytes) -> float | None:
    """The number of a tensor that holds a single float, None for any other."""
    found = dict(_fields(data))
    form = _FLOATS.get(kind) if isinstance(kind := found.get(1), int) else None
    if form is None:
        return None
    held = found.get(4) or found.get(5 if form == "<f" else 6)
    whole = isinstance(held, bytes) and len(held) == struct.calcsize(form)
    return _unpacked(form, held) if isinstance(held, bytes) and whole else None


def _unpacked(form: str, data: bytes) -> float:
    try:
        return float(struct.unpack(form, data)[0])
    except struct.error as error:
        raise ValueError("no number") from error


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of the fields of a message; fixed ones as their bytes."""
    place = 0
    while place < len(data):
        key, place = _read_varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _read_varint(data, place)
            yield number, value
            continue
        if kind == 2:
            size, place = _read_varint(data, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"no field of an event: kind {kind}")
        if place + size > len(data):
            raise ValueError("a field is longer than its message")
        yield number, data[place : place + size]
        place += size


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number without an end")


# --- writing ---------------------------------------------------------------------------------


def opening(wall: float) -> bytes:
    """The first event of every file."""
    return _double(1, wall) + _bytes(3, _VERSION)


def scalars(wall: float, step: int, values: Mapping[str, float]) -> bytes:
    """An event with numbers."""
    summaries = (
        _bytes(1, tag.encode("utf-8", "replace")) + _key(2, 5) + _float(value)
        for tag, value in values.items()
    )
    return _event(wall, step, b"".join(_bytes(1, summary) for summary in summaries))


def text(wall: float, step: int, tag: str, markdown: str) -> bytes:
    """An event with a text, which TensorBoard reads as Markdown."""
    metadata = _bytes(1, _bytes(1, b"text")) + _varint(4, _TENSOR_CLASS)
    tensor = _varint(1, _STRING) + _bytes(2, b"") + _bytes(8, markdown.encode("utf-8", "replace"))
    summary = _bytes(1, tag.encode("utf-8", "replace")) + _bytes(9, metadata) + _bytes(8, tensor)
    return _event(wall, step, _bytes(1, summary))


def _event(wall: float, step: int, summary: bytes) -> bytes:
    return _double(1, wall) + _varint(2, step) + _bytes(5, summary)


def _key(number: int, kind: int) -> bytes:
    return _number(number << 3 | kind)


def _number(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint(number: int, value: int) -> bytes:
    return _key(number, 0) + _number(value)


def _float(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:  # A double that no single float can hold.
        return struct.pack("<f", math.copysign(math.inf, value))


def _double(number: int, value: float) -> bytes:
    return _key(number, 1) + struct.pack("<d", value)


def _bytes(number: int, value: bytes) -> bytes:
    return _key(number, 2) + _number(len(value)) + value
