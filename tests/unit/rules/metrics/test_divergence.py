"""DW204: a loss that grew far beyond what the losses of its log began with, and sound twins."""

from __future__ import annotations

import pytest
from dualwatch.events import Proof, Severity

DIVERGED = [0.54, 0.6, 60357.0, 9.9e8, 8.8e8]


def lines(story, values, name="loss", **others):
    for value in values:
        story.line(**{name: value, **others})
    return story


def diverged(story):
    return [f for f in story.judged() if f.proof is Proof.DIVERGED]


def test_it_is_told_with_its_beginning(story) -> None:
    (found,) = diverged(lines(story, DIVERGED))
    assert (found.code, found.severity) == ("DW204", Severity.ERROR)
    assert "since epoch 1, iteration 30/200" in found.headline
    assert "macl" not in found.remedy.lower()


def test_one_line_beyond_doubt_is_enough_and_a_spike_is_not(story) -> None:
    lines(story, [0.5, 0.6, 0.5, 90.0])
    assert not diverged(story)
    lines(story, [0.5, 6e4])
    assert diverged(story)
    assert not diverged(lines(story, [0.5, 0.4]))


def test_one_that_came_back(story) -> None:
    lines(story, [0.5, 0.6, *[900.0] * 6, *[0.6] * 9])
    (found,) = diverged(story)
    assert found.severity is Severity.WARNING
    assert "to epoch 1, iteration 80/200" in found.headline


def test_a_smaller_growth_must_last_longer(story) -> None:
    lines(story, [0.5, 0.6, *[20.0] * 9])
    assert not diverged(story)
    (found,) = diverged(lines(story, [20.0]))
    assert found.severity is Severity.WARNING


def test_a_slow_growth_is_measured_by_the_beginning(story) -> None:
    lines(story, [0.5 * 1.5**n for n in range(20)])
    assert diverged(story)[0].severity is Severity.ERROR


@pytest.mark.parametrize(
    "values",
    [
        [9800 * 0.8**n for n in range(18)],  # a sum over all anchors
        [500.0, 2.0, 1.5, 40.0, 1.2, 30.0, 1.0],  # a first line unlike the others
        [1.0, 1e-4, *[1e-7] * 20, *[1e-3] * 20],  # solved
        [0.3, 0.2, *[2.5, 0.1] * 20],  # adversarial
        [-500.0 - 40 * n for n in range(40)],  # a log-likelihood
        [0.0, 0.0, 0.0, *[3.0] * 20],  # a loss that is switched on
        [1e-3, 2e-3, *[0.9] * 20],  # a warm-up of its weight
        [0.5 + 0.02 * n for n in range(300)],  # rising slowly, as rewards make it
    ],
    ids=lambda values: f"{values[0]:g} to {values[-1]:g}",
)
def test_sound_courses(story, values) -> None:
    assert not diverged(lines(story, values))


def test_a_loss_that_joins_makes_the_total_larger(story) -> None:
    for _ in range(5):
        story.line(loss=0.5, loss_a=0.5)
    for _ in range(20):
        story.line(loss=900.5, loss_a=0.5, loss_b=900.0)
    assert not diverged(story)


def test_a_gradient_is_no_loss(story) -> None:
    assert not diverged(lines(story, [0.5] * 12, grad_norm=1e6))
