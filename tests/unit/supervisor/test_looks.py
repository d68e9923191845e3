"""When stacks are captured: at shares of the stall timeout, and a few times before it."""

from __future__ import annotations

import pytest
from dualwatch.collectors.processes import thread_waits
from dualwatch.core.clock import Moment
from dualwatch.protocol import Phase
from dualwatch.rules.thresholds import Thresholds
from dualwatch.supervisor.looks import Look, LookSchedule

SHOWN = pytest.mark.skipif(not thread_waits.are_shown(), reason="nothing can be proven here")


def looks(story, *, limit: float = 300.0, seconds: int = 310, **sample) -> list[tuple[int, Look]]:
    """The seconds of silence at which a look was due, and which one."""
    schedule, begun = LookSchedule(Thresholds(stall_timeout=limit)), story.t
    taken = []
    for _ in range(0, seconds, 5):
        story.wait(5).sample(**sample)
        look = schedule.due(story.snapshot, Moment(story.t, story.t))
        if look is not None:
            taken.append((int(story.t - begun), look))
    return taken


def at(taken: list[tuple[int, Look]], wanted: Look) -> list[int]:
    return [seconds for seconds, look in taken if look is wanted]


@SHOWN
def test_an_idle_wait_for_a_batch_is_looked_at_early_and_at_the_timeout(story) -> None:
    taken = looks(story.trains().stops_in(Phase.WAITING).sample())
    assert at(taken, Look.EARLY) == [20, 30, 40, 50, 70, 100, 140]
    assert at(taken, Look.TIMED) == [150, 225, 300]


@pytest.mark.parametrize(
    ("phase", "sample", "every"),
    [
        (Phase.WAITING, {"busy": True}, 1.0),
        (Phase.STEP, {}, 1.0),
        (Phase.SAVING, {}, 1.0),
        (Phase.WAITING, {}, 16.0),
    ],
    ids=["tree works", "main computes", "saving", "usual batches of 16 s"],
)
def test_what_works_or_was_as_slow_before_is_left_alone(story, phase, sample, every) -> None:
    taken = looks(story.trains(every=every).stops_in(phase).sample(), **sample)
    assert at(taken, Look.EARLY) == []
    assert at(taken, Look.TIMED) == [150, 225, 300]


@SHOWN
@pytest.mark.parametrize(("every", "expected"), [(4.0, [20, 30, 40]), (6.0, [40, 50, 60])])
def test_the_third_look_comes_when_the_silence_is_long_enough(story, every, expected) -> None:
    story.trains(every=every).stops_in(Phase.WAITING).sample()
    assert at(looks(story, seconds=65), Look.EARLY)[:3] == expected


@SHOWN
def test_a_short_timeout_keeps_its_own_looks(story) -> None:
    taken = looks(story.trains().stops_in(Phase.WAITING).sample(), limit=40.0, seconds=85)
    assert taken == [(20, Look.TIMED), (30, Look.TIMED), (40, Look.TIMED), (80, Look.TIMED)]


@SHOWN
def test_a_stopped_worker_is_looked_at(story) -> None:
    each = {101: {"status": "stopped"}}
    taken = looks(story.trains().stops_in(Phase.WAITING).sample(), seconds=45, each=each)
    assert at(taken, Look.EARLY) == [20, 30, 40]


@SHOWN
def test_progress_begins_anew(story) -> None:
    story.trains().stops_in(Phase.WAITING).sample()
    schedule = LookSchedule(Thresholds())
    for seconds in (25, 35):  # The second is longer than the one that it survived.
        assert schedule.due(story.snapshot, Moment(story.t, story.t)) is None
        story.silent(seconds)
        assert schedule.due(story.snapshot, Moment(story.t, story.t)) is Look.EARLY
        assert schedule.due(story.snapshot, Moment(story.t, story.t)) is None
        story.trains(200)
