"""Reads the agents' replies to commands, and their reports of an unrequested rescue."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from dualwatch import protocol
from dualwatch.collectors.agent_files.records import MAX_BYTES, lines
from dualwatch.core.text import clean
from dualwatch.events import CaughtException, CommandAnswered

MAX_AWAITED = 64
LENGTH = 300

MAX_CAUGHT = 120
PATH = 16

_REPLY = msgspec.json.Decoder(protocol.ReplyDocument)


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
            reply = _REPLY.decode(stream.read(MAX_BYTES))
    except (OSError, ValueError):
        return None
    return CommandAnswered(
        at=at,
        wall=wall,
        rank=reply["rank"],
        number=reply["number"],
        order=reply["order"],
        done=reply["done"],
        why=clean(reply["why"], LENGTH),
        path=reply["path"],
        iteration=reply["iteration"],
        awaited=lines(reply["awaited"], MAX_AWAITED, LENGTH),
        caught=tuple(_caught(one) for one in reply.get("caught", [])[:MAX_CAUGHT]),
    )


def _caught(one: protocol.CaughtDocument) -> CaughtException:
    return CaughtException(
        exception=clean(one["exception"], LENGTH),
        message=clean(one["message"], 2 * LENGTH),
        raised=clean(one["raised"], LENGTH),
        caught=clean(one["caught"], LENGTH),
        handler=clean(one["handler"], LENGTH),
        foreign=one["foreign"],
        path=lines(one["path"], PATH, LENGTH),
    )
