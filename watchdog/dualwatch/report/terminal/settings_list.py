"""The settings in force as a list: value, source, help."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from dualwatch.report.terminal.console import plain_text

WIDTH = 80

_NAME = 22
_VALUE = 18


def lines(rows: Iterable[tuple[str, object, str, str]], folder: str) -> Iterator[str]:
    """Two lines per setting, or more where a value is long; none is wider than 80 columns.

    Args:
        rows: As ``Settings.rows`` gives them.
        folder: The present one: files are named as they are seen from it.
    """
    for name, value, source, help_text in rows:
        shown = _shown(value)
        origin = _seen_from(folder, source)
        first = f"{name:<{_NAME}}{shown:<{_VALUE}}  {origin}"
        if len(shown) <= _VALUE and len(first) <= WIDTH:
            yield plain_text(first)
        else:
            yield from _wrapped(f"{name:<{_NAME}}", shown)
            yield from _wrapped(" " * _NAME, f"from {origin}")
        yield from textwrap.wrap(help_text, WIDTH, initial_indent="    ", subsequent_indent="    ")


def _wrapped(lead: str, text: str) -> list[str]:
    return textwrap.wrap(
        plain_text(text),
        WIDTH,
        initial_indent=lead,
        subsequent_indent=" " * _NAME,
        break_on_hyphens=False,
    )


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {item}" for key, item in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _seen_from(folder: str, source: str) -> str:
    """A file of settings by its shorter name."""
    path, blank, table = source.partition(" [")
    if not os.path.isabs(path):
        return source
    try:
        beside = os.path.relpath(path, folder)
    except ValueError:  # Another drive.
        return source
    return min(path, beside, key=len) + blank + table
