"""Addresses that the user gives, to send to and to listen on, and what of them may be seen."""

from __future__ import annotations

import re
from typing import Any

# Of other services, the host is a part of the token.
_WITH_HOST = ("http", "https", "json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos")


def urls(value: Any) -> tuple[str, ...]:
    """Several URLs, of a list or of words.

    Raises:
        ValueError: Something is no URL; what it is, is not said: it may hold a password.
    """
    # Not by commas: an address may hold several receivers.
    found = value.split() if isinstance(value, str) else value
    if not isinstance(found, (list, tuple)) or not all(isinstance(url, str) for url in found):
        raise ValueError("must be a list of URLs")
    if not all(re.fullmatch(r"[A-Za-z][\w+.-]*://\S+", url) for url in found):
        raise ValueError("holds what is no URL; write SERVICE://..., as apprise does")
    return tuple(dict.fromkeys(found))


def host(value: Any) -> str:
    """An address of this machine to listen on.

    Raises:
        ValueError: It cannot be one.
    """
    if not isinstance(value, str) or not re.fullmatch(r"[\w.:-]+", value):
        raise ValueError("is no address of this machine; write 127.0.0.1, 0.0.0.0 or a name")
    return value


def masked(url: str) -> str:
    """What may be shown of a URL that holds tokens or passwords: ``json://host:8000/***``."""
    scheme, colon, rest = url.partition("://")
    if not colon or not re.fullmatch(r"[A-Za-z][\w+.-]{0,30}", scheme):
        return "***"
    before = re.split(r"[?#]", rest, maxsplit=1)[0]
    place, _, path = before.partition("/")
    name = place.rpartition("@")[2]
    # A password may hold a slash: where the host ends is certain only without a later "@".
    plain = "@" not in path and re.fullmatch(r"[\w.-]+(:\d+)?", name)
    if scheme.lower() not in _WITH_HOST or not plain:
        return f"{scheme}://***"
    return f"{scheme}://{name}" + ("/***" if rest != name else "")
