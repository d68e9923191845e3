"""A configuration as text: what it assigns, without executing it.

A file that was merely found is never run. Literals, ``dict(...)``, names of earlier assignments
and simple sums are read; everything else becomes a mark that says so. Unknown is not a value, and
a wrong value would be worse than none.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

from dualwatch.core.plain import PlainValue
from dualwatch.core.text import clean
from dualwatch.events import NotFollowed
from dualwatch.frameworks.mmengine.config.expressions import MAX_NODES, weight
from dualwatch.frameworks.mmengine.config.literal import LiteralReader
from dualwatch.frameworks.mmengine.config.unread import unread_values

__all__ = ["MAX_NODES", "StaticConfig", "guarded", "parse", "read", "weight"]

MAX_CHARS = 4_000_000
MAX_YAML_CHARS = 500_000
"""The YAML reader that is written in Python needs seconds for a megabyte."""

MAX_DEPTH = 100

TOO_MUCH = "it has too many values to be read"

_BRACKET = re.compile(r"[][(){}]")


@dataclass(frozen=True, slots=True)
class StaticConfig:
    """What a configuration says.

    Attributes:
        values: Top-level name -> value; what could not be read is a mark, see ``is_unread``.
        written: Top-level name -> its assignments, exactly as they stand in the text.
        problems: What was passed over, and why; in whole words, bounded.
        not_followed: What of it is not known; bounded.
    """

    values: dict[str, PlainValue] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    not_followed: tuple[NotFollowed, ...] = ()


def read(text: str, form: str = "py") -> StaticConfig:
    """Reads a configuration. Never raises and never executes anything.

    Args:
        form: "py", "json", "yaml" or "yml", as the file's name ends.
    """
    if form == "json":
        return guarded(lambda: _document(json.loads(text)), text)
    if form in ("yaml", "yml"):
        return guarded(lambda: _yaml(text), text)
    return guarded(lambda: _python(text), text)


def guarded(read_it: Callable[[], StaticConfig], text: str) -> StaticConfig:
    """What is read of a text; why it cannot be read, where it is too long or not valid."""
    if len(text) > MAX_CHARS:
        return StaticConfig(problems=(f"too long to be read: {len(text)} characters",))
    try:
        return read_it()
    except RecursionError:
        return StaticConfig(problems=("nested too deeply to be read",))
    except (SyntaxError, ValueError, MemoryError) as error:
        return StaticConfig(problems=(clean(f"{type(error).__name__}: {error}", 300),))


# --- documents -------------------------------------------------------------------------------


def _yaml(text: str) -> StaticConfig:
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        return StaticConfig(problems=("a YAML file needs PyYAML, which is not installed",))
    if len(text) > MAX_YAML_CHARS:
        return StaticConfig(problems=(f"too long to be read: {len(text)} characters",))
    try:
        loaded = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, TypeError, AttributeError) as error:
        return StaticConfig(problems=(clean(f"{type(error).__name__}: {error}", 300),))
    return _document(loaded)


def _document(loaded: PlainValue) -> StaticConfig:
    if not isinstance(loaded, dict):
        return StaticConfig(problems=("it holds no mapping at its top",))
    if weight(loaded) > MAX_NODES:
        return StaticConfig(problems=(TOO_MUCH,))
    return StaticConfig(values={str(key): value for key, value in loaded.items()})


# --- Python ----------------------------------------------------------------------------------


def _python(text: str) -> StaticConfig:
    tree, lines = parse(text)
    reader = LiteralReader(lines)
    for statement in tree.body:
        reader.take(statement)
    if weight(reader.values) > MAX_NODES:
        return StaticConfig(problems=(TOO_MUCH,))
    unread = tuple(unread_values(reader.values))
    return StaticConfig(reader.values, reader.written, tuple(reader.problems), unread)


def parse(text: str) -> tuple[ast.Module, list[str]]:
    """The statements of a text and its lines.

    Raises:
        SyntaxError, ValueError: It is not Python, or too deeply nested.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    if _depth(text) > MAX_DEPTH:
        raise ValueError("nested too deeply to be read")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "invalid escape sequence" is the writer's matter.
        return ast.parse(text), text.split("\n")


def _depth(text: str) -> int:
    """Open brackets at most; those in strings count as well, which only makes us more careful."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(text):
        if bracket in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif depth:
            depth -= 1
    return deepest
