"""Consoles without encoding errors and without markup."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

Paint = Callable[[str, str], str]

_FANCY = "✓✗▲•─█…→"


def limit_encoding(stream: TextIO) -> None:
    """Makes a stream replace characters that its encoding lacks by "?"."""
    if isinstance(stream, io.TextIOWrapper):
        with contextlib.suppress(ValueError, OSError):
            stream.reconfigure(errors="replace")


def holds_unicode(stream: TextIO) -> bool:
    """Whether a stream's encoding has the signs that the views draw with."""
    try:
        _FANCY.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def reader_is_gone(error: OSError, stream: TextIO) -> bool:
    """Whether an error means that the reader of a stream has left (``| head``).

    Windows has an invalid argument for it, of a stream that is a pipe.
    """
    if isinstance(error, BrokenPipeError):
        return True
    if sys.platform == "win32" and error.errno == errno.EINVAL and error.filename is None:
        with contextlib.suppress(OSError, ValueError):
            return stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    return False


def silence(stream: TextIO) -> None:
    """Leads a stream that cannot be written into nothing, so that Python's exit is quiet."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def write_out(text: str) -> None:
    """Writes a result to stdout; a command whose reader has left keeps its exit code.

    Raises:
        OSError: It cannot be written for another reason.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        if not reader_is_gone(error, sys.stdout):
            raise
        silence(sys.stdout)


def plain_text(text: str) -> str:
    """Untrusted text for one line of a terminal: no control characters, so no escape sequences."""
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in text)


def one_line(value: object, limit: int = 2000) -> str:
    """Anything as one line of text that a terminal shows and does not obey; None is ""."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    joined = " ".join(text[: 4 * limit].splitlines()) if text else ""
    from dualwatch.core.text import clean

    return plain_text(clean(joined, limit).expandtabs(4)).rstrip()


def painter(color: bool) -> Paint:
    """A function that paints a text in a style of Rich, or returns it unchanged."""
    if not color:
        return lambda text, style: text
    from rich.color import ColorSystem
    from rich.style import Style

    return lambda text, style: Style.parse(style).render(text, color_system=ColorSystem.STANDARD)


def make(stream: TextIO | None = None) -> Console:
    """A Rich console that interprets no markup: text from outside is data."""
    from rich.console import Console

    stream = stream or sys.stdout
    limit_encoding(stream)
    return Console(file=stream, markup=False, highlight=False, emoji=False)
