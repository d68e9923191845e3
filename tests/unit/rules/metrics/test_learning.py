"""DW206: a loss that is constant or flat, and losses that need not fall."""

from __future__ import annotations

import math
import random

import pytest
from dualwatch.events import EvaluationLogged, Severity


def learned(story):
    return [f for f in story.judged() if f.code == "DW206"]


def lines(story, count, loss, **others):
    """Lines with values or functions of their number."""
    for number in range(count):
        values = {"loss": loss, **others}
        story.line(**{k: v(number) if callable(v) else v for k, v in values.items()})
    return story


def noise(number: int) -> float:
    return random.Random(number).random()


@pytest.mark.parametrize(
    ("others", "says"),
    [
        ({"lr": 0.0}, "learning rate is 0"),
        ({"lr": 0.01, "grad_norm": 0.0}, "gradient norm is 0"),
    ],
)
def test_a_constant_loss_and_why(story, others, says) -> None:
    (found,) = learned(lines(story, 25, 0.7, **others))
    assert found.severity is Severity.ERROR
    assert says in found.evidence[1].text


def test_a_rate_of_zero_from_the_first_line_on(story) -> None:
    (found,) = learned(lines(story, 6, lambda n: 2.0 + 0.1 * noise(n), lr=0.0, base_lr=0.0))
    assert found.severity is Severity.ERROR


def test_the_loss_of_guessing(story) -> None:
    (found,) = learned(lines(story, 25, round(math.log(30), 4), lr=0.01))
    assert "30 classes" in found.evidence[1].text


def test_a_constant_loss_beside_a_gradient_that_moves(story) -> None:
    assert learned(lines(story, 60, 0.7, grad_norm=noise))


def test_a_loss_that_has_been_zero_from_the_first_line(story) -> None:
    assert learned(lines(story, 25, 0.0, lr=0.01))


def test_a_flat_loss_without_any_validation(story) -> None:
    (found,) = learned(lines(story, 120, lambda n: 2.0 + 0.05 * noise(n)))
    assert found.severity is Severity.WARNING


def validated(story, value):
    return story.tell(
        EvaluationLogged, mode="val", epoch=1, iteration=1, total=1, metrics={"mAP": value}
    )


def test_a_flat_loss_whose_validation_is_useful(story) -> None:
    lines(story, 120, lambda n: 2.0 + 0.05 * noise(n))
    assert learned(validated(story, 0.0))
    assert not learned(validated(story, 0.4))


@pytest.mark.parametrize(
    ("count", "loss", "others"),
    [
        (300, lambda n: 2.0 * 0.98**n + 0.02 * noise(n), {}),
        (300, lambda n: 2.0 if n < 20 else max(0.4, 2 - n / 50), {}),  # warm-up, then a plateau
        (300, lambda n: 1e-4 * noise(n), {}),  # solved
        (300, lambda n: 2.0 + noise(n), {"loss_disc": noise, "loss_gen": noise}),
        (300, lambda n: 2.0 + noise(n), {"loss_policy": noise}),
        (30, lambda n: 2.0 + noise(n), {}),  # too early
        (19, 0.7, {"lr": 0.01, "grad_norm": 0.0}),
        (4, lambda n: 2.0 + noise(n), {"lr": 0.0}),
        (30, lambda n: 2.0 * 0.9**n, {"lr": 0.0}),  # of the frozen parameters
        (30, lambda n: 2.0 + noise(n), {"lr": lambda n: 0.0 if n < 4 else 0.1}),  # a warm-up
        (300, lambda n: 0.7, {"lr": 0.01}),  # printed by rote
        (60, lambda n: 1.0 / (n + 1) if n < 30 else 0.0, {"grad_norm": noise}),
        (60, lambda n: -100.0 - n, {}),
    ],
)
def test_sound_courses(story, count, loss, others) -> None:
    assert not learned(lines(story, count, loss, **others))


def test_a_log_that_begins_late(story) -> None:
    story._lines = 5000
    assert not learned(lines(story, 300, lambda n: 2.0 + 0.05 * noise(n)))
