"""What frames name by their variables: a sample's index, a build folder, an address.

Of all that py-spy shows of a frame's variables, only these are kept.
"""

from __future__ import annotations

import re
from typing import Any

from dualwatch.core.text import clean

ARGUMENTS = ("--locals",) * 4
"""Each allows 128 more characters of a text; a path may be long."""

_LENGTH = 500
_FETCHER = "torch/utils/data/_utils/fetch.py"

_SUBJECTS = (
    ("torch/utils/cpp_extension.py", "build_directory"),
    ("torch/hub.py", "url"),
    ("urllib/request.py", "fullurl"),
    ("urllib/request.py", "url"),
    ("huggingface_hub/file_download.py", "url"),
    ("requests/sessions.py", "url"),
)
"""File and variable whose text is the subject of a frame."""

_SECRETS = re.compile(r"(?<=://)[^/@]*@|[?#].*")
"""Parts of an address that may hold a password or a token."""


def sample(frame: dict[str, Any]) -> int | None:
    """Index of the sample that torch's fetcher asks the dataset for, in a frame of it."""
    if not _file(frame).endswith(_FETCHER):
        return None
    value = _variables(frame).get("idx", "")
    return int(value) if value.isdecimal() and len(value) < 19 else None


def subject(frame: dict[str, Any]) -> str | None:
    """Path or address that a frame of torch's or of a downloader works on; None where unknown."""
    file = _file(frame)
    names = [name for known, name in _SUBJECTS if file.endswith(known)]
    known = _variables(frame) if names else {}
    for name in names:
        text = known.get(name, "")
        # In quotes; a text that was cut ends with dots inside of them, and names nothing.
        if len(text) > 2 and text[0] in "\"'" and text[-1] == text[0] and "..." not in text[-4:]:
            return clean(_SECRETS.sub("", text[1:-1]), _LENGTH)
    return None


def _file(frame: dict[str, Any]) -> str:
    return str(frame["filename"]).replace("\\", "/")


def _variables(frame: dict[str, Any]) -> dict[str, str]:
    return {str(one.get("name")): str(one.get("repr")) for one in frame.get("locals") or ()}
