"""The encoding of a log of unknown origin, by its first bytes and by trying.

Most are UTF-8. PowerShell's ``>`` writes UTF-16; a Chinese Windows console writes GBK and a Western
one cp1252, often among lines of UTF-8, so those two are decided on by the lines that are not.
"""

from __future__ import annotations

import codecs
import re

from dualwatch.core.text import MAX_LINE, bound, clean

PARTIAL = 4 * MAX_LINE + 4
"""Bytes kept of a line that has not ended: more than would be kept of it."""

_PLAIN = bytes([9, 10, *range(32, 127)])
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_END = re.compile(rb"[\r\n]")
_TWO_BYTES = re.compile(rb"[\x81-\xfe][\x40-\xfe]")
_COMMON = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]")


class LineDecoder:
    """Bytes as they come to clean, bounded lines. Never raises.

    A line feed, a carriage return and the two together end a line.

    Attributes:
        encoding: What the text is in, as far as it has been read.
    """

    def __init__(self) -> None:
        self.encoding = ""
        self._partial = b""
        self._utf16: codecs.IncrementalDecoder | None = None
        self._skipping = False
        self._full = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that these bytes complete."""
        if not self.encoding:
            if len(self._partial + data) < 4:
                self._partial += data
                return []
            data, self._partial = self._begin(self._partial + data), b""
        if self._utf16 is not None:
            data = self._utf16.decode(data).encode("utf-8", "replace")
        if self._full:
            end = _END.search(data)
            if end is None:
                return []
            data, self._full = data[end.start() :], False
        data = self._partial + data
        # A carriage return at the end may be half of an end: it waits for the other half.
        cut = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1
        self._partial = data[cut:]
        if len(self._partial) > PARTIAL:
            # More of it is not even looked at until it ends; it may be about to.
            self._full = not self._partial.endswith(b"\r")
            self._partial = self._partial[:PARTIAL] + b"\r" * (not self._full)
        lines = self._lines(data[:cut])[:-1] if cut else []
        if self._skipping and lines:
            self._skipping = False
            return lines[1:]
        return lines

    def close(self) -> list[str]:
        """The last line, although nothing ended it."""
        if not self.encoding:
            self._partial = self._begin(self._partial)
        data, self._partial = self._partial, b""
        return self._lines(data.rstrip(b"\r\n")) if data and not self._skipping else []

    def leap(self) -> None:
        """The next bytes come from further on, from the middle of a line."""
        self._partial, self._skipping, self._full = b"", True, False
        if self._utf16 is not None:
            self._utf16.reset()

    def _begin(self, data: bytes) -> bytes:
        self.encoding = "utf-8"
        for mark, encoding in _MARKS:
            if data.startswith(mark):
                self.encoding, data = encoding, data[len(mark) :]
                break
        else:
            # UTF-16 without its mark: every other byte of plain text is zero.
            start = data[:64]
            if start[1::2].count(0) > len(start) // 3:
                self.encoding = "utf-16-le"
            elif start[::2].count(0) > len(start) // 3:
                self.encoding = "utf-16-be"
        if self.encoding != "utf-8":
            self._utf16 = codecs.getincrementaldecoder(self.encoding)("replace")
        return data

    def _lines(self, data: bytes) -> list[str]:
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not data.translate(None, _PLAIN):
            lines = data.decode("ascii").split("\n")
            # A chunk is looked at as a whole where it can be: lines are many.
            return lines if max(map(len, lines)) <= MAX_LINE else [bound(line) for line in lines]
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        # So is one of other alphabets; what may not be printed is searched for line by line.
        if text and text.replace("\n", "").replace("\t", "").isprintable():
            lines = text.split("\n")
            if max(map(len, lines)) <= MAX_LINE:
                return lines
        return [clean(self._decode(line)) for line in data.split(b"\n")]

    def _decode(self, line: bytes) -> str:
        try:
            return _decoded(line, "utf-8")
        except UnicodeDecodeError:
            if self.encoding == "utf-8":
                self.encoding = fallback(line)
        for encoding in (self.encoding, "gbk", "cp1252"):
            try:
                return _decoded(line, encoding)
            except UnicodeDecodeError:
                continue
        return line.decode("utf-8", "replace")


def _decoded(line: bytes, encoding: str) -> str:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError as error:
        if len(line) < PARTIAL or error.start < len(line) - 3:
            raise
        return line[: error.start].decode(encoding)  # Its length cut a character in two.


def fallback(line: bytes) -> str:
    """What a line is in that is not UTF-8: "gbk" or "cp1252".

    Any text of cp1252 can be read as GBK: an accented letter and the one after it make a Chinese
    character, but a rare one. So GBK it is where most of the characters would be common ones.
    """
    pairs = _TWO_BYTES.findall(line)
    common = sum(_COMMON.fullmatch(pair) is not None for pair in pairs)
    return "gbk" if pairs and common * 2 > len(pairs) else "cp1252"
