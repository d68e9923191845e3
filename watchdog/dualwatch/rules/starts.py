"""How an earlier start of a training ended, by its log. Pure.

A log or a folder often holds several starts: the newest one is judged, the others are reported.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from msgspec import Struct

from dualwatch.events import Finding
from dualwatch.protocol import STARTUP_PHASES, Phase
from dualwatch.rules import finished, status
from dualwatch.rules.deaths import exit
from dualwatch.rules.deaths import place as deaths
from dualwatch.rules.ranking import impairs
from dualwatch.rules.status import RunStatus
from dualwatch.state.snapshot import Snapshot

_ENDED = ("DW501", "DW606", "DW609")
"""Causes that a log may show without an error: a shell's or a scheduler's word."""

LEAST = 2
"""Starts that end in the same way before that is more than a coincidence."""

_BEFORE = (*STARTUP_PHASES, Phase.FIRST_ITERATION)
_ENDS = {
    Phase.FIRST_ITERATION: "before the first training line",
    Phase.TRAINING: "between two training lines",
    Phase.SAVING: "where a checkpoint is saved",
    Phase.VAL_STEP: "in a validation",
    Phase.METRICS: "where the metrics of a validation are computed",
}
_LOOK = {
    Phase.SAVING: "look at the storage of the work dir, its free space, quota and speed",
    Phase.METRICS: "look at the memory that the metrics need",
}


class StartEnd(str, enum.Enum):
    """How a start ended: trained to the end, with an error, or without a word of its end."""

    FINISHED = "finished"
    FAILED = "failed"
    UNKNOWN = "unknown"


class EarlierStart(Struct, frozen=True, kw_only=True):
    """A start before the newest one.

    Attributes:
        number: From 1, in the order of their beginnings.
        begun, last: Wall times of its first and last line; None where its log does not have them.
        end: How it ended.
        phase: Where its log ends, a word of ``protocol.Phase``.
        code: Of the likeliest cause of its end, None where there is none.
        sentence: For people.
        log: File that it is in, where that is not the log of the newest start.
    """

    number: int
    begun: float | None
    last: float | None
    end: StartEnd
    phase: str
    sentence: str
    code: str | None = None
    log: str | None = None


def earlier(
    s: Snapshot, causes: Sequence[Finding], *, number: int, begun: float, log: str | None = None
) -> EarlierStart:
    """What is reported of an earlier start.

    Args:
        s: As its log left it.
        causes: What explains its end, likeliest first.
        begun: Wall time of its first line.
    """
    found = status.run_status(s, alive=None)
    where = status.in_words(s, *(deaths.of_death(s) or status.place(s)))
    end, said = StartEnd.UNKNOWN, f"its lines end {where}"
    cause = None
    if finished.is_finished(s):
        end, said = StartEnd.FINISHED, found.sentence
    elif exit.has_a_known_end(s) or any(one.code in _ENDED for one in causes):
        end, cause = StartEnd.FAILED, causes[0] if causes else None
        why = cause.headline if cause is not None else "an error"
        said = f"it ended {where}: {why}"
    spoilt = next((one for one in causes if one is not cause and impairs(one)), None)
    said += f"; {spoilt.headline}" if spoilt is not None else ""
    return EarlierStart(
        number=number,
        begun=begun,
        last=s.progress_wall,
        end=end,
        phase=found.phase,
        code=cause.code if cause is not None else None,
        sentence=f"start {number}{_span(s, begun)}: {said}",
        log=log,
    )


def in_common(before: Sequence[EarlierStart], newest: RunStatus) -> str:
    """What the newest of the earlier starts have in common, "" where they have nothing.

    One that ended in some way says little; several that all end there point at what is done there.
    """
    if len(before) < LEAST:
        return ""
    last = _ending(before[-1])
    count = next(
        (n for n, start in enumerate(reversed(before)) if _ending(start) != last), len(before)
    )
    if last is None or count < LEAST:
        return ""
    how = f"with {last[1]}" if last[0] is StartEnd.FAILED else _ENDS.get(last[1], last[1])
    is_same = not newest.decided and (StartEnd.UNKNOWN, _group(newest.phase)) == last
    who = f"all of the last {count + 1} starts" if is_same else f"the last {count} starts before it"
    return f"{who} end {how}" + (f": {_LOOK[last[1]]}" if last[1] in _LOOK else "")


def _ending(start: EarlierStart) -> tuple[StartEnd, str] | None:
    """How a start ended, where that says something about others; None for one that finished."""
    if start.end is StartEnd.UNKNOWN:
        return start.end, _group(start.phase)
    return (start.end, start.code) if start.end is StartEnd.FAILED and start.code else None


def _group(phase: str) -> str:
    return Phase.FIRST_ITERATION if phase in _BEFORE else phase


def _span(s: Snapshot, begun: float) -> str:
    first, last = status.time_of(s, begun), status.time_of(s, s.progress_wall)
    return f" ({first} to {last})" if first else ""
