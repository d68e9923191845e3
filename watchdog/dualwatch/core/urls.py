"""Parses URLs and the address to listen on; masks what is secret in them."""

from __future__ import annotations

import re

# For other services the host is part of the token.
_WITH_HOST = ("http", "https", "json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos")


def urls(value: object) -> tuple[str, ...]:
    """URLs of a list, or of one text with spaces between them.

    Raises:
        ValueError: One is not a URL. It is not quoted, as it may hold a password.
    """
    # Not by commas: an address may hold several receivers.
    found = value.split() if isinstance(value, str) else value
    if not isinstance(found, (list, tuple)) or not all(isinstance(url, str) for url in found):
        raise ValueError("must be a list of URLs")
    if not all(re.fullmatch(r"[A-Za-z][\w+.-]*://\S+", url) for url in found):
        raise ValueError("not a valid URL; use SERVICE://..., as apprise does")
    return tuple(dict.fromkeys(found))


def web_url(value: object) -> str:
    """A URL that can be requested.

    Raises:
        ValueError: It is not one. It is not quoted, as it may hold a token.
    """
    if not isinstance(value, str) or not re.fullmatch(
        r"https?://[^\s/?#]+\S*", value, re.IGNORECASE
    ):
        raise ValueError("must be a URL of the form https://HOST/PATH")
    return value


def host(value: object) -> str:
    """An address to listen on.

    Raises:
        ValueError: It is not valid.
    """
    if not isinstance(value, str) or not re.fullmatch(r"[\w.:-]+", value):
        raise ValueError("not a valid address; use 127.0.0.1, 0.0.0.0 or a host name")
    return value


def masked(url: str) -> str:
    """A URL without its tokens and passwords: ``json://host:8000/***``."""
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


def without_secrets(text: str, url: str) -> str:
    """An error message about a URL, without the parts of it that ``masked`` hides."""
    shown = masked(url)
    parts = {part for part in re.split(r"[/:@?&=#,]+", url) if len(part) >= 4}
    for part in sorted(parts, key=len, reverse=True):
        if part not in shown:
            text = text.replace(part, "***")
    return text
