"""How an earlier start of a training ended, by its log. Pure.

One log, and one folder, often holds several starts; the newest one is judged, and these are told.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from msgspec import Struct

from dualwatch.core import units
from dualwatch.events import Finding
from dualwatch.rules import status
from dualwatch.rules.deaths import exit
from dualwatch.state.snapshot import Snapshot


class StartEnd(str, enum.Enum):
    """How a start ended: trained to the end, with an error, or without a word of its end."""

    FINISHED = "finished"
    FAILED = "failed"
    UNKNOWN = "unknown"


class EarlierStart(Struct, frozen=True, kw_only=True):
    """A start before the newest one.

    Attributes:
        number: From 1, in the order of their beginnings.
        begun, last: Wall times of its first and last line.
        end: How it ended.
        phase: Where its log ends, a word of ``protocol.Phase``.
        code: Of the likeliest cause of its end, None where there is none.
        sentence: For people.
        log: File that it is in, where that is not the log of the newest start.
    """

    number: int
    begun: float
    last: float
    end: StartEnd
    phase: str
    sentence: str
    code: str | None = None
    log: str | None = None


def earlier(
    s: Snapshot, causes: Sequence[Finding], *, number: int, begun: float, log: str | None = None
) -> EarlierStart:
    """What is told of an earlier start.

    Args:
        s: As its log left it.
        causes: What explains its end, likeliest first.
        begun: Wall time of its first line.
    """
    found = status.run_status(s, alive=None)
    where = status.in_words(s, found.phase)
    end, said = StartEnd.UNKNOWN, f"its lines end {where}"
    cause = None
    if status.is_finished(s):
        end, said = StartEnd.FINISHED, found.sentence
    elif exit.has_a_known_end(s):
        end, cause = StartEnd.FAILED, causes[0] if causes else None
        why = cause.headline if cause is not None else "an error"
        said = f"it ended {where}, with {why}"
    return EarlierStart(
        number=number,
        begun=begun,
        last=s.progress_wall,
        end=end,
        phase=found.phase,
        code=cause.code if cause is not None else None,
        sentence=f"start {number} ({units.clock(begun)} to {units.clock(s.progress_wall)}): {said}",
        log=log,
    )
