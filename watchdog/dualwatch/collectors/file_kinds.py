"""What a file is that was named as a log and holds no text: by its first bytes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

HEAD = 4096
TAR_AT = 257

_ARCHIVE = "unpack it and name the work dir or the log in it"
_CHECKPOINT = "name the work dir of the training that saved it, or its log"


class BinaryFile(NamedTuple):
    """A file without text: what it is, and what to name instead."""

    what: str
    do: str


_STARTS = (
    (b"BZh", BinaryFile("a bzip2 archive", _ARCHIVE)),
    (b"\xfd7zXZ", BinaryFile("an xz archive", _ARCHIVE)),
    (b"7z\xbc\xaf\x27\x1c", BinaryFile("a 7-Zip archive", _ARCHIVE)),
    (b"Rar!", BinaryFile("a RAR archive", _ARCHIVE)),
    (b"\x28\xb5\x2f\xfd", BinaryFile("a zstd archive", _ARCHIVE)),
    (b"\x89HDF", BinaryFile("an HDF5 file", _CHECKPOINT)),
    (b"\x93NUMPY", BinaryFile("an array of NumPy", _CHECKPOINT)),
    (b"SQLite format 3", BinaryFile("a database of SQLite", "name a work dir or a log")),
    (b"\x89PNG", BinaryFile("an image", "name a log as text, not a picture of it")),
    (b"\xff\xd8\xff", BinaryFile("an image", "name a log as text, not a picture of it")),
    (b"%PDF", BinaryFile("a PDF document", "name a log as text")),
    (b"\x7fELF", BinaryFile("a program", "name the work dir of its training, or its log")),
    (b"MZ", BinaryFile("a program", "name the work dir of its training, or its log")),
)
_NOTEBOOK = "name the work dir or the log of its training; what a cell printed can be saved as text"
_WEIGHTS = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".onnx", ".engine")


def of(path: Path) -> BinaryFile | None:
    """What a file without text is; None for text in any encoding, and for what cannot be read.

    A gzipped log is text. A notebook is none: its lines are inside of JSON.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError:
        return None
    if path.suffix == ".ipynb" and head.lstrip().startswith(b"{"):
        return BinaryFile("a notebook of Jupyter", _NOTEBOOK)
    if head.startswith(b"PK\x03\x04"):
        if path.suffix in _WEIGHTS or b"/data.pkl" in head:
            return BinaryFile("a checkpoint of PyTorch", _CHECKPOINT)
        return BinaryFile("a zip archive", _ARCHIVE)
    if head[TAR_AT : TAR_AT + 5] == b"ustar" or path.name.endswith((".tar.gz", ".tgz")):
        return BinaryFile("a tar archive", _ARCHIVE)
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05" and len(head) > 1:
        what = "a checkpoint of PyTorch" if path.suffix in _WEIGHTS else "a pickle of Python"
        return BinaryFile(what, _CHECKPOINT)
    for start, kind in _STARTS:
        if head.startswith(start) and not _is_text(head):
            return kind
    if head.startswith(b"\x1f\x8b") or _is_text(head):
        return None
    if path.suffix in _WEIGHTS:
        return BinaryFile("a file of weights", _CHECKPOINT)
    return BinaryFile("a binary file", "name a log as text, or a work dir")


def _is_text(head: bytes) -> bool:
    """Whether bytes can be lines: control characters are rare, and zeros those of UTF-16."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    zeros = head.count(0)
    if zeros and max(head[::2].count(0), head[1::2].count(0)) > 0.9 * zeros > 0.3 * len(head):
        return True  # Every other byte is one.
    odd = sum(head.count(code) for code in (*range(7), *range(14, 27), *range(28, 32)))
    return odd <= 0.05 * len(head)
