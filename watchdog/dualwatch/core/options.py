"""How a setting is declared: the metadata of a field of ``Settings``, and the parsers of values."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import NamedTuple

from dualwatch.core.urls import masked

Parse = Callable[[object], object]


class Option(NamedTuple):
    """What a field of ``Settings`` is beyond its name, type and default.

    Attributes:
        help: One sentence.
        parse: Checks and converts a raw value, raising ValueError; derived from the type of
            a boolean or a ``Literal``.
        metavar: Stands for the value in ``--help``.
        default: The default in words, where the field's own default says too little.
        secret: Its values hold passwords or tokens and are never shown or recorded.
    """

    help: str
    parse: Parse | None = None
    metavar: str = ""
    default: str = ""
    secret: bool = False


class Setting(NamedTuple):
    """One declared setting."""

    name: str
    default: object
    option: Option
    choices: tuple[str, ...]
    is_flag: bool
    is_list: bool

    @property
    def flag(self) -> str:
        """The option of the command line."""
        return "--" + self.name.replace("_", "-")

    def parse(self, raw: object) -> object:
        """The typed value of a raw one.

        Raises:
            ValueError: It is not valid; the message does not quote it.
        """
        if self.option.parse is not None:
            return self.option.parse(raw)
        return boolean(raw) if self.is_flag else _choice(raw, self.choices)

    def shown(self, value: object) -> object:
        """The value as it may be printed and recorded."""
        if not self.option.secret or value is None:
            return value
        if isinstance(value, (list, tuple)):
            return [masked(str(url)) for url in value]
        return " ".join(masked(url) for url in str(value).split()) or "***"


def declared(settings: type) -> tuple[Setting, ...]:
    """The fields of a class of settings that carry an ``Option``, in order."""
    found = []
    for name, hint in typing.get_type_hints(settings, include_extras=True).items():
        option = next((o for o in getattr(hint, "__metadata__", ()) if isinstance(o, Option)), None)
        if option is None:
            continue
        field = settings.__dataclass_fields__[name]  # type: ignore[attr-defined]
        default = field.default_factory() if callable(field.default_factory) else field.default
        plain = hint.__origin__
        origins = {typing.get_origin(part) or part for part in _parts(plain)}
        choices = typing.get_args(plain) if typing.Literal in origins else ()
        found.append(Setting(name, default, option, choices, bool in origins, tuple in origins))
    return tuple(found)


def _parts(hint: object) -> tuple[object, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def boolean(raw: object) -> bool:
    """True for 1, true, yes, on; false for 0, false, no, off.

    Raises:
        ValueError: It is something else.
    """
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    try:
        return words[str(raw).strip().lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def integer(low: int, high: int) -> Callable[[object], int]:
    """A parser of integers within limits."""

    def parse(raw: object) -> int:
        if isinstance(raw, bool) or not re.fullmatch(r"\d+", str(raw).strip()):
            raise ValueError("not an integer")
        number = int(str(raw))
        if not low <= number <= high:
            raise ValueError(f"must be from {low} to {high}")
        return number

    return parse


def _choice(raw: object, allowed: tuple[str, ...]) -> str:
    if raw not in allowed:
        raise ValueError(f"must be one of {', '.join(allowed)}")
    return str(raw)


def names(raw: object) -> tuple[str, ...]:
    """Names of a list, or of one text with commas between them.

    Raises:
        ValueError: It is something else.
    """
    parts = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise ValueError("must be a list of names")
    return tuple(part.strip() for part in parts if part.strip())


def profile_table(raw: object) -> Mapping[str, object]:
    """The ``[check]`` table, or the name of a profile.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(raw, str) and raw.strip():
        return {"profile": raw.strip()}
    if not isinstance(raw, Mapping):
        raise ValueError("must be a table, or the name of a profile")
    return dict(raw)
