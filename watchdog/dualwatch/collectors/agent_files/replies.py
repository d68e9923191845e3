"""Reads what the agents answered to orders, and what they say of a rescue that nobody ordered."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dualwatch import protocol
from dualwatch.core.text import clean
from dualwatch.events import CommandAnswered

MAX_BYTES = 1 << 18
MAX_AWAITED = 64
LENGTH = 300


class AgentReplies:
    """The answers in an attempt's folder; each is given once.

    Args:
        known: Those that were given before.
    """

    def __init__(self, attempt_dir: Path, known: Iterable[CommandAnswered] = ()) -> None:
        self._folder = attempt_dir
        self._known = {protocol.reply_file(one.rank, one.number) for one in known}

    def poll(self, at: float, wall: float) -> list[CommandAnswered]:
        """Answers that are new since the last call, oldest first."""
        fresh = [
            path
            for path in self._folder.glob(protocol.reply_file("*", "*"))
            if path.name not in self._known
        ]
        answers = []
        for path in sorted(fresh, key=_written):
            self._known.add(path.name)
            answer = _answer(path, at, wall)
            if answer is not None:
                answers.append(answer)
        return answers


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _answer(path: Path, at: float, wall: float) -> CommandAnswered | None:
    """An answer as an event; None where the file holds none: it is never renamed half written."""
    try:
        with path.open("rb") as stream:
            data: Any = json.loads(stream.read(MAX_BYTES))
        return CommandAnswered(
            at=at,
            wall=wall,
            rank=int(data["rank"]),
            number=int(data["number"]),
            order=str(data["order"]),
            done=bool(data["done"]),
            why=clean(str(data.get("why", "")), LENGTH),
            path=os.fspath(str(data.get("path", ""))),
            iteration=int(data.get("iteration", 0)),
            awaited=tuple(clean(str(text), LENGTH) for text in data["awaited"][:MAX_AWAITED]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
