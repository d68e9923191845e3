"""The mark in the values of a configuration that replaces what was not read."""

from __future__ import annotations

from typing import TypeGuard

from dualwatch.core.text import clean

WIDTH = 60
_MARK = "<not read: "


def mark(expression: str) -> str:
    """The mark for an expression, which it quotes."""
    return f"{_MARK}{clean(expression, WIDTH)}>"


def is_unread(value: object) -> TypeGuard[str]:
    """Whether a value is such a mark."""
    return isinstance(value, str) and value.startswith(_MARK)


def expression_of(value: str) -> str:
    """What a mark quotes."""
    return value.removeprefix(_MARK).removesuffix(">")
