"""Which of many files are there: a folder is listed once instead of asking for each of its files.

On a slow disk or over a network one listing costs about as much as a few questions.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

FEW = 20
"""Files of one folder up to which each is asked for."""

MOST = 1_000_000
"""Names of one folder that are kept; in a larger one each file is asked for."""

CONFIRMED = 1000
"""Names that a listing lacks and that are asked for: a file system may take them all the same, as
one that does not tell capitals apart."""


class FileIndex:
    """Remembers what was listed: data sets share folders."""

    def __init__(self) -> None:
        self._listed: dict[str, frozenset[str] | None] = {}
        self._left = CONFIRMED

    def absent(self, paths: Iterable[str]) -> set[str]:
        """Those of the paths that are not there.

        Raises:
            OSError: A folder cannot be looked into.
        """
        asked: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            asked[os.path.dirname(path)].append(path)
        found: set[str] = set()
        for folder, wanted in asked.items():
            found |= self._absent_in(folder, wanted)
        return found

    def _absent_in(self, folder: str, wanted: list[str]) -> set[str]:
        names: Collection[str] | None = None
        if len(wanted) > FEW or folder in self._listed:
            names = self._names(folder)
        absent: set[str] = set()
        for path in wanted:
            if names is not None and os.path.basename(path) in names:
                is_there = True
            elif names is not None and self._left <= 0:
                is_there = False
            else:
                self._left -= names is not None
                is_there = _is_there(path)
            if not is_there:
                absent.add(path)
        return absent

    def _names(self, folder: str) -> frozenset[str] | None:
        """What a folder holds; None where it holds too much to be kept."""
        if folder not in self._listed:
            self._listed[folder] = _listing(folder)
        return self._listed[folder]


def _listing(folder: str) -> frozenset[str] | None:
    names = set()
    try:
        with os.scandir(folder or ".") as entries:
            for entry in entries:
                names.add(entry.name)
                if len(names) > MOST:
                    return None
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return frozenset()
    return frozenset(names)


def _is_there(path: str) -> bool:
    """Unlike ``os.path.exists`` it distinguishes a refusal from an absence.

    Raises:
        PermissionError: Its folder may not be looked into.
    """
    try:
        os.stat(path)
    except PermissionError:
        raise
    except (OSError, ValueError):
        return False  # Among others a name that is too long, or a link that leads nowhere.
    return True


def sizes(paths: Iterable[str]) -> Mapping[str, int]:
    """Bytes of each file; those that cannot be asked are left out."""
    found = {}
    for path in paths:
        try:
            found[path] = os.stat(path).st_size
        except (OSError, ValueError):
            continue
    return found
