"""Logs of one start that has a file for each of its ranks, by their names.

::

    log.txt, log.txt.rank1, log.txt.rank2
    log_rank0.txt, log_rank1.txt
    attempt_0/0/stderr.log, attempt_0/1/stderr.log
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_RANK = re.compile(r"[._-]?(?:global|local)?[._-]?rank[._=-]?(\d{1,5})(?!\d)", re.IGNORECASE)
_OF_TORCHRUN = re.compile(r"std(?:out|err)\.log", re.IGNORECASE)


def sets(files: Iterable[Path]) -> dict[Path, tuple[Path, ...]]:
    """The first rank's log -> those of the others, in the order of the ranks."""
    found: dict[Path, list[tuple[int, Path]]] = {}
    for file in files:
        base, rank = _of(file)
        found.setdefault(base, []).append((rank, file))
    joined: dict[Path, tuple[Path, ...]] = {}
    for ranks in found.values():
        ranks.sort(key=lambda one: (one[0], str(one[1])))
        if len(ranks) > 1 and len({rank for rank, _ in ranks}) == len(ranks):
            joined[ranks[0][1]] = tuple(file for _, file in ranks[1:])
    return joined


def _of(file: Path) -> tuple[Path, int]:
    """The name that the logs of all ranks share, and the rank; -1 for one without a rank."""
    match = _RANK.search(file.name)
    if match is not None:
        name = file.name[: match.start()] + file.name[match.end() :]
        return file.with_name(name), int(match[1])
    if _OF_TORCHRUN.fullmatch(file.name) and file.parent.name.isdecimal():
        return file.parent.parent / file.name, int(file.parent.name)
    return file, -1
