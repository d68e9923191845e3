"""JSON by msgspec, and what that has not: NaN and infinity, lone surrogates, foreign objects."""

from __future__ import annotations

import json
import math
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def plain(value: object) -> Any:
    """Structs and all they hold as what JSON has: dictionaries, lists, words, finite numbers.

    A number that is not finite becomes its name, since JSON has none: "nan", "inf", "-inf".
    """
    return _finite(msgspec.to_builtins(value, str_keys=True, enc_hook=str))


def encode(value: object) -> bytes:
    """A value as one line of JSON, without the end of the line."""
    data = plain(value)
    try:
        return msgspec.json.encode(data)
    except UnicodeEncodeError:  # A lone surrogate of a damaged file name or console.
        return json.dumps(data).encode()


def printed(value: object) -> str:
    """A value as the JSON document that a command prints.

    ASCII only: a console, a pipe or PowerShell may use any code page, and a character that it
    lacks would be lost inside the document.
    """
    return json.dumps(plain(value), indent=1) + "\n"


def stored(value: object) -> bytes:
    """A value as a JSON file that people read too: UTF-8 on every system."""
    text = json.dumps(plain(value), indent=1, ensure_ascii=False) + "\n"
    # A lone surrogate becomes the escape that JSON has for it.
    return text.encode("utf-8", "backslashreplace")


def decode(data: bytes, into: msgspec.json.Decoder[T]) -> T:
    """A value of the decoder's type.

    Args:
        into: Not strict, so that "nan" is read as a number where one is wanted.

    Raises:
        ValueError: It is damaged, or of another form.
    """
    try:
        return into.decode(data)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        # What the standard library accepts and writes: bare NaN, lone surrogates.
        return msgspec.convert(json.loads(data), into.type, strict=False)


def _finite(value: Any) -> Any:
    if type(value) is float:
        return value if math.isfinite(value) else str(value)
    if type(value) is dict:
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
