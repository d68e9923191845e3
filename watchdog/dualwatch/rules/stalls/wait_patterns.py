"""Stacks of a main process that waits for something outside of the training. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dualwatch.events import Frame
from dualwatch.rules.stalls import stack_patterns

_BUILD_FILES = ("torch/utils/file_baton.py", "torch/utils/cpp_extension.py")


def caller_of_build_lock(main: Sequence[Frame]) -> str | None:
    """Who waits for the lock of an extension build, in words; None where it is not waited for."""
    waits = any(f.bare == "wait" and f.slashed.endswith(_BUILD_FILES[0]) for f in main)
    return stack_patterns.caller(main, _BUILD_FILES) if waits else None


# --- downloads -----------------------------------------------------------------------------------

_NETWORK_FILES = (
    *("/ssl.py", "/socket.py", "http/client.py", "urllib/request.py"),
    *("/urllib3/", "/requests/", "/httpcore/", "/httpx/"),
)
_DOWNLOADERS = ("torch/hub.py", "/huggingface_hub/", "/gdown/", "urllib/request.py")
_DOWNLOADS = frozenset(
    ("urlopen", "urlretrieve", "load_state_dict_from_url", "load_url", "load_from_http", "http_get")
)


def caller_of_download(main: Sequence[Frame]) -> str | None:
    """Who waits for data of a download, in words; None where nothing is downloaded."""
    if not main or not _in_any(main[0], _NETWORK_FILES):
        return None
    inside = [
        index
        for index, frame in enumerate(main)
        if frame.bare in _DOWNLOADS or "download" in frame.bare or _in_any(frame, _DOWNLOADERS)
    ]
    return stack_patterns.place(main[inside[-1] : inside[-1] + 3]) if inside else None


def address(main: Sequence[Frame]) -> str:
    """The address that a download is of, "" where the frames do not show it."""
    return next((f.subject for f in main if f.subject and "://" in f.subject), "")


def _in_any(frame: Frame, parts: Sequence[str]) -> bool:
    return any(part in frame.slashed for part in parts)
