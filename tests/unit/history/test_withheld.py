"""What would have been done in a run whose stalls are reported only."""

from __future__ import annotations

import pytest
from dualwatch.events import (
    AttemptEnded,
    AttemptStarted,
    ConsoleGrew,
    Decided,
    Event,
    StopKind,
    TrainingStopped,
)
from dualwatch.history.run import fold
from dualwatch.history.withheld import Sequel, WithheldDecision


def at(seconds: float) -> dict[str, float]:
    return {"at": seconds, "wall": 1000.0 + seconds}


def line(seconds: float, number: int) -> ConsoleGrew:
    return ConsoleGrew(**at(seconds), lines=number, last_line=f"{number}/50")


def decided(seconds: float, withheld: str = "replace") -> Decided:
    because = "DW111 loader-deadlock: the loader is replaced" if withheld else ""
    return Decided(
        **at(seconds),
        action="report",
        reason="reported only",
        cause="DW111",
        withheld=withheld,
        withheld_because=because,
    )


STARTED = AttemptStarted(
    **at(0), attempt=0, pid=9, create_time=1.0, command=("python",), overrides={}
)


def withheld(*events: Event) -> list[WithheldDecision]:
    return fold([STARTED, line(10, 1), *events]).withheld.decisions


def test_without_an_answer_nothing_followed() -> None:
    (entry,) = withheld(decided(70))
    assert (entry.time, entry.decision, entry.code) == (1070.0, "replace", "DW111")
    assert (entry.what_followed, entry.followed_after) == (Sequel.NOTHING, None)


def test_a_training_that_continues_was_no_stall() -> None:
    first, second = withheld(decided(70), decided(90), line(130, 2), decided(300), line(301, 3))[:2]
    assert (first.what_followed, first.followed_after) == (Sequel.CONTINUED, 60.0)
    assert (second.what_followed, second.followed_after) == (Sequel.CONTINUED, 40.0)


@pytest.mark.parametrize(
    ("code", "what"), [(0, Sequel.COMPLETED), (1, Sequel.FAILED), (-9, Sequel.FAILED)]
)
def test_a_training_that_ends(code: int, what: Sequel) -> None:
    (entry,) = withheld(decided(70), AttemptEnded(**at(95), attempt=0, exit_code=code, signal=None))
    assert (entry.what_followed, entry.followed_after) == (what, 25.0)


def test_one_that_is_stopped_shows_nothing_of_the_verdict() -> None:
    stopped = TrainingStopped(**at(80), why=StopKind.INTERRUPTED, reason="at your request")
    (entry,) = withheld(
        decided(70), stopped, AttemptEnded(**at(82), attempt=0, exit_code=None, signal="SIGTERM")
    )
    assert entry.what_followed is Sequel.STOPPED


def test_what_answers_an_end_is_followed_by_it() -> None:
    ended = AttemptEnded(**at(60), attempt=0, exit_code=1, signal=None)
    (entry,) = withheld(ended, decided(61, "rerun"))
    assert (entry.decision, entry.what_followed) == ("rerun", Sequel.FAILED)


def test_what_was_done_is_not_withheld() -> None:
    assert withheld(decided(70, ""), line(80, 2)) == []
