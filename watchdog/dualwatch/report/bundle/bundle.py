"""Writes the bundle of a diagnosis: one .zip, to read or to send.

Readable by its owner only, bounded in size, and whole or not there: it is written beside its place
and renamed. A bundle that exists is never touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct

from dualwatch import __version__
from dualwatch.core.files import replace
from dualwatch.core.json_codec import plain, stored
from dualwatch.report.bundle import readme as story
from dualwatch.report.bundle.redaction import Redactor
from dualwatch.report.diagnosis import Diagnosis, NotSeen

SCHEMA_VERSION = 1
LARGEST = 8 << 20
"""Bytes kept of one raw file."""

HEAD = 1 << 20
"""Bytes of them from its beginning; the rest is the newest."""

_NAME_LENGTH = 100
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)  # Of Windows.


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    data: bytes
    left_out: int = 0


def write(
    archive: Path,
    document: Diagnosis,
    raw: Mapping[str, str],
    redactor: Redactor | None,
    *,
    stamp: float,
    left_out: Mapping[str, int] = MappingProxyType({}),
) -> Path:
    """Writes the archive and returns its path.

    Args:
        archive: Where it exists, the next free number is added to the name. Its parents are made.
        document: The diagnosis.
        raw: Name -> text of what it rests on; a name that is no plain file name is made one.
        redactor: Takes people, machines and secrets out of everything, None to keep them.
        stamp: Seconds since the epoch, for the times in the archive.
        left_out: Name -> bytes of the file that its text lacks already.

    Raises:
        OSError: The disk is full, or the folder cannot be written; nothing is left behind.
    """
    files = _files(document, raw, left_out, redactor)
    archive.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    final = _claimed(archive)
    beside = final.with_name(f".{final.name}.tmp")
    try:
        _write_archive(beside, final.stem, files, stamp)
        replace(beside, final)
    except BaseException:
        for path in (beside, final):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        raise
    return final


def _claimed(archive: Path) -> Path:
    """An empty file of that name, or of the next free one; no other process can get it."""
    number = 1
    while True:
        name = archive.name if number == 1 else f"{archive.stem}-{number}{archive.suffix}"
        number += 1
        with contextlib.suppress(FileExistsError):
            candidate = archive.with_name(name)
            os.close(os.open(candidate, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            return candidate


# --- what is in it ---------------------------------------------------------------------------


def _files(
    document: Diagnosis,
    raw: Mapping[str, str],
    left_out: Mapping[str, int],
    redactor: Redactor | None,
) -> list[_File]:
    """All files. The README and the manifest come last: they list the others."""
    if redactor is not None:
        for text in (*raw.values(), json.dumps(plain(document.as_json()), ensure_ascii=False)):
            redactor.learn(text)
    shown = redactor.document(document) if redactor is not None else document
    files = [_File("diagnosis.json", stored(shown.as_json()))]
    taken: set[str] = set()
    for name, text in raw.items():
        lacking = left_out.get(name, 0)
        text, cut = _cut(text)
        if redactor is not None:
            name, text = redactor.text(str(name)), redactor.text(text)
        # A token may be longer than what it replaces.
        data, more = _bounded(text.encode("utf-8", "backslashreplace"))
        files.append(_File(f"raw/{_safe(str(name), taken)}", data, lacking + cut + more))
    legend = redactor.legend() if redactor is not None else None
    listed = [story.Listed(file.name, len(file.data), file.left_out) for file in files]
    readme = story.text(shown, files=listed, legend=legend)
    files.insert(0, _File("README.md", readme.encode("utf-8", "backslashreplace")))
    return [*files, _File("manifest.json", stored(_manifest(shown, files, legend)))]


class _Listed(Struct):
    file: str
    bytes: int
    sha256: str
    cut: bool
    left_out: int


class _Manifest(Struct):
    generated: float
    redacted: Mapping[str, int] | None
    files: list[_Listed]
    not_observed: list[NotSeen]
    schema_version: int = SCHEMA_VERSION
    dualwatch: str = __version__


def _manifest(
    document: Diagnosis, files: list[_File], legend: Mapping[str, int] | None
) -> _Manifest:
    listed = [
        _Listed(
            file=file.name,
            bytes=len(file.data),
            sha256=hashlib.sha256(file.data).hexdigest(),
            cut=file.left_out > 0,
            left_out=file.left_out,
        )
        for file in files
    ]
    return _Manifest(document.generated, legend, listed, document.not_observed)


def _cut(text: str) -> tuple[str, int]:
    """A text without what its file would not hold, so that this is not redacted first."""
    data, left_out = _bounded(text.encode("utf-8", "backslashreplace"))
    return (data.decode("utf-8"), left_out) if left_out else (text, 0)


def _bounded(data: bytes) -> tuple[bytes, int]:
    """The beginning and the newest of what is too large, and how many bytes are left out."""
    if len(data) <= LARGEST:
        return data, 0
    room_for_mark = 100
    head = data[:HEAD]
    head = head[: head.rfind(b"\n") + 1] or head
    tail_from = len(data) - (LARGEST - len(head) - room_for_mark)
    line_end = data.find(b"\n", tail_from)
    tail_from = line_end + 1 if 0 <= line_end < len(data) - 1 else tail_from
    # A line longer than the file may be is cut within; no character is.
    tail = data[tail_from:].decode("utf-8", "ignore").encode("utf-8")
    head = head.decode("utf-8", "ignore").encode("utf-8")
    left_out = len(data) - len(head) - len(tail)
    end = b"" if head.endswith(b"\n") else b"\n"
    return head + end + mark(left_out).encode() + tail, left_out


def mark(left_out: int) -> str:
    """The line in place of what is left out of a file."""
    return f"[dualwatch: {left_out} bytes of this file are left out here]\n"


def _safe(name: str, taken: set[str]) -> str:
    """A name that is a plain file name on every system and leads nowhere else."""
    parts = [part.strip(". ") for part in re.split(r"[\\/:]+", name)]
    flat = "-".join(part for part in parts if part).replace("<", "").replace(">", "")
    flat = re.sub(r"[^\w.+-]", "_", flat)[-_NAME_LENGTH:].lstrip(".-") or "unnamed"
    if _RESERVED.match(flat):
        flat = f"_{flat}"
    stem, dot, ending = flat.rpartition(".")
    stem, ending = (stem, dot + ending) if stem else (flat, "")
    number = 1
    while flat.casefold() in taken:
        number += 1
        flat = f"{stem}-{number}{ending}"
    taken.add(flat.casefold())
    return flat


# --- the archive -----------------------------------------------------------------------------


def _write_archive(path: Path, name: str, files: list[_File], stamp: float) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w+b") as stream, zipfile.ZipFile(stream, "w") as archive:
        for entry in _entries(name, files, stamp):
            archive.writestr(*entry)


def _entries(
    name: str, files: list[_File], stamp: float
) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
    for file in files:
        # The format knows no time before 1980 and none after 2107.
        moment = _moment(min(max(stamp, 315_532_800.0 + 86_400), 4_354_819_200.0 - 86_400))
        info = zipfile.ZipInfo(f"{name}/{file.name}", moment[:6])
        info.create_system = 3  # Unix: the permissions below mean something.
        info.external_attr = 0o100600 << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        yield info, file.data


def _moment(stamp: float) -> time.struct_time:
    try:
        return time.localtime(stamp)
    except (ValueError, OverflowError, OSError):
        return time.localtime(0)
