"""Each step with a replaced loader's workers has its reason and its times."""

from __future__ import annotations

import pytest
from dualwatch.events import WorkersChanged
from dualwatch.history.workers import workers_text
from dualwatch.protocol.workers import WORKERS_STEPS, WorkersReason, WorkersStep

REASONS = [word for name, word in vars(WorkersReason).items() if name.isupper()]


def step(name: str, reason: str, **more) -> WorkersChanged:
    return WorkersChanged(
        at=1.0, wall=2.0, rank=0, iteration=40, validation=False, step=name, reason=reason, **more
    )


def test_the_gain_is_shown_beside_what_it_was_before() -> None:
    text = workers_text(
        step(
            WorkersStep.GAIN,
            WorkersReason.WAITS,
            workers=2,
            before_s=0.17,
            without_s=0.45,
            fresh_s=0.18,
        )
    )
    assert [text.count(number) for number in ("0.17", "0.45", "0.18", "2 fresh workers")] == [1] * 4


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_for_staying_without_has_words(reason) -> None:
    text = workers_text(step(WorkersStep.WITHOUT, reason, detail="TypeError: <lock>"))
    assert "TypeError: <lock>" in text
    if reason != WorkersReason.WAITS:
        assert f": {reason}:" not in text


@pytest.mark.parametrize("name", WORKERS_STEPS)
def test_nothing_measured_is_not_shown_as_a_time(name) -> None:
    assert "None" not in workers_text(step(name, WorkersReason.HUNG, workers=1))
