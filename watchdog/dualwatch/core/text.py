"""Bytes of a line to text that is safe to record and to print.

The output of a training may contain control sequences that repaint a terminal, bytes of another
encoding, or one line of many megabytes.
"""

from __future__ import annotations

import locale
import re

MAX_LINE = 8192
"""Characters kept of one line; a progress line of a big model has about 1,000."""

CUT_MARK = " ..."

ONES = str.maketrans("0", "1")
"""Of a line whose digits were all made 0: a pattern may want one that is not."""

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC (titles, links), DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"  # two-character sequences
    r"|[\x00-\x08\x0a-\x1f\x7f-\x9f]"  # the rest of C0 (a tab stays) and C1
    r"|[\u2028\u2029\u202a-\u202e\u2066-\u2069]"  # line separators, direction overrides
    r"|[\ud800-\udfff]"  # lone surrogates, which no UTF-8 stream can hold
)
_SUSPECT = re.compile(r"[^\t -~\u00a0-\u2027\u2030-\u2065\u206a-\ud7ff\ue000-\U0010ffff]")


NAME_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
"""A word of a CamelCase or snake_case name: "LoadRGBPair" consists of Load, RGB, Pair."""


def name_words(name: str) -> list[str]:
    """The words of a name, in lower case."""
    return [word.lower() for word in NAME_WORD.findall(name)]


def strip_control(text: str) -> str:
    """Removes ANSI / OSC sequences and every other control character but the tab."""
    if text.isascii() and text.isprintable():
        return text
    if _SUSPECT.search(text) is None:
        return text
    return _CONTROL.sub("", text)


def bound(text: str, limit: int = MAX_LINE) -> str:
    """The text, cut to ``limit`` characters with a mark at the end."""
    if len(text) <= limit:
        return text
    return text[: max(0, limit - len(CUT_MARK))] + CUT_MARK


def clean(text: str, limit: int = MAX_LINE) -> str:
    """A line without control characters, line end and excess length."""
    return bound(strip_control(text), limit)


def decode(data: bytes) -> str:
    """Decodes one line's bytes: UTF-8, else the console's own code page, else with replacements.

    A UTF-8 character that is incomplete at the end of ``data`` is left out, as a bounded read may
    end there. Never raises.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and len(data) - error.start < 4:
            return data[: error.start].decode("utf-8", "replace")
    for encoding in _fallbacks():
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("utf-8", "replace")


def decode_line(data: bytes, limit: int = MAX_LINE) -> str:
    """Bytes of one line to clean, bounded text."""
    # A character has at most four bytes, so nothing that would be kept is cut off here.
    return clean(decode(data[: 4 * limit + 4]), limit)


def _fallbacks() -> tuple[str, ...]:
    """Code pages to try after UTF-8: the machine's own, then GBK (Chinese Windows consoles)."""
    own = locale.getpreferredencoding(False).lower().replace("_", "-")
    if own in ("utf-8", "utf8", "ascii", "us-ascii", "ansi-x3.4-1968"):
        return ("gbk",)
    return (own, "gbk")
