"""Seconds of an iteration and the share of waiting."""

from __future__ import annotations

import pytest
from dualwatch.agent.torch.pace import Pace


def paced(times: list[tuple[float, float]]) -> Pace:
    """Iterations of (computing, waiting) seconds."""
    pace, now = Pace(), 0.0
    pace.came(0.0, now)
    for computing, waiting in times:
        pace.came(now + computing, now + computing + waiting)
        now += computing + waiting
    return pace


def test_seconds_and_share_of_waiting() -> None:
    pace = paced([(0.1, 0.3)] * 10)
    assert pace.count == 10
    assert pace.seconds == pytest.approx(0.4)
    assert pace.waiting == pytest.approx(0.75)
    assert pace.longest_wait == pytest.approx(0.3)


def test_a_validation_between_two_batches_is_no_iteration() -> None:
    pace = paced([(0.1, 0.1)] * 10 + [(60.0, 0.1)])
    assert pace.seconds == pytest.approx(0.2)


def test_nothing_is_measured_across_passes_or_before_the_queues_are_full() -> None:
    pace = paced([(0.1, 0.1)] * 3)
    pace.interrupt()
    pace.came(100.0, 200.0)
    assert pace.count == 3
    pace.restart(skip=2)
    for at in (201.0, 202.0, 203.0, 204.0):
        pace.came(at, at)
    assert pace.count == 1


def test_the_wait_in_which_it_began_anew_is_not_one_of_them() -> None:
    pace = paced([(0.1, 0.1)] * 3)
    pace.restart()
    pace.came(1.0, 31.0)
    pace.came(31.1, 31.2)
    assert pace.longest_wait == pytest.approx(0.1)


def test_nothing_measured() -> None:
    assert (Pace().seconds, Pace().waiting, Pace().longest_wait) == (None, None, 0.0)
