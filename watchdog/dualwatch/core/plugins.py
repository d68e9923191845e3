"""Plug-ins: classes that dualwatch ships, and those of other distributions by entry points."""

from __future__ import annotations

import importlib
import warnings
from functools import cache
from importlib.metadata import entry_points
from typing import TypeVar

_T = TypeVar("_T")


@cache
def load(group: str, built_in: tuple[str, ...], base: type[_T]) -> tuple[_T, ...]:
    """One instance of each plug-in's class, built-in ones first.

    A plug-in of another distribution that cannot be loaded is left out with a warning: it must
    not keep anybody from supervising a training.

    Args:
        built_in: ``module:Class`` of each that dualwatch ships.
        base: What each must be a subclass of.
    """
    found: list[_T] = []
    for value in built_in:
        module, _, name = value.partition(":")
        found.append(getattr(importlib.import_module(module), name)())
    for point in entry_points(group=group):
        if point.value in built_in:
            continue
        try:
            made = point.load()()
            if not isinstance(made, base):
                raise TypeError(f"not a {base.__name__}")
        except Exception as error:
            warnings.warn(f"plug-in {point.value} was not loaded: {error}", stacklevel=2)
        else:
            found.append(made)
    return tuple(found)
