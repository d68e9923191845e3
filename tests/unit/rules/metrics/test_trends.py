"""DW204 and DW205: is a metric where it should be, and does it go where it should?"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

import pytest
from dualwatch.domains.base import Range
from dualwatch.domains.paired.domain import PairedImages
from dualwatch.events import ConsoleGrew, EvaluationLogged, IterationLogged, Severity
from dualwatch.rules.metrics import trends
from dualwatch.rules.ranking import causes, rank
from dualwatch.rules.thresholds import MetricTarget, Thresholds
from dualwatch.state.metric_series import BUCKETS, RECENT
from dualwatch.state.snapshot import fold
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MACL = {"required": ("loss_macl",)}

# loss_macl of the shipped demo (375 iterations an epoch, a line in ten), right and shuffled pairs.
RIGHT = (
    0.8840, 0.7739, 0.7636, 0.7516, 0.7714, 0.7069, 0.6892, 0.7378, 0.6772, 0.7154, 0.6033, 0.6516,
    0.5650, 0.6017, 0.4764, 0.4601, 0.4326, 0.4002, 0.4799, 0.3654, 0.2923, 0.3865, 0.3759, 0.3689,
    0.4108, 0.3421, 0.3442, 0.2903, 0.2699, 0.2110, 0.2883, 0.2920, 0.2290, 0.1777, 0.2055, 0.2278,
    0.1807,
)  # fmt: skip
SHUFFLED = (
    0.9739, 0.8406, 0.8377, 0.8308, 0.8208, 0.7930, 0.7682, 0.7198, 0.6795, 0.6804, 0.6063, 0.6402,
    0.5741, 0.5963, 0.5259, 0.5747, 0.5479, 0.5481, 0.5399, 0.4614, 0.4790, 0.4928, 0.4637, 0.4569,
    0.4712, 0.4856, 0.4361, 0.3846, 0.4466, 0.4477, 0.4067, 0.3874, 0.4175, 0.3911, 0.4296, 0.3908,
    0.4060,
)  # fmt: skip
GRADIENTS = (10.7388, 2.9714, 2.3422, 1.9789, 2.0284, 2.1564, 3.1608, 2.9617, 2.2957, 2.5614)


def course(
    story,
    values: Iterable[float],
    *,
    name: str = "loss_macl",
    every: float = 2.0,
    interval: int = 10,
    begun: int = 0,
    total: int | None = 375,
    epoch: int | None = 1,
):
    """The course of one metric, a line in so many seconds and iterations."""
    for number, value in enumerate(values, start=1):
        story.wait(every).tell(
            IterationLogged,
            mode="train",
            epoch=epoch,
            iteration=begun + interval * number,
            total=total,
            metrics={"loss": 1.0, name: value},
        )
        story.tell(ConsoleGrew, lines=number, last_line="Epoch(train)")
    return story


def noisy(level: float, count: int, spread: float = 0.1, fall: float = 0.0) -> list[float]:
    """A level with noise upon it, falling by so much over its whole length; always the same."""
    chance = random.Random(7)
    return [level - fall * i / count + chance.uniform(-spread, spread) for i in range(count)]


# --- DW204 ---------------------------------------------------------------------------------------


def test_most_of_the_last_lines_beyond_the_range(story) -> None:
    course(story, [0.9, 1.2, 0.8, 1.3])
    assert story.codes(**MACL) == []
    (found,) = course(story, [1.4]).judged(**MACL)
    assert (found.code, found.severity) == ("DW204", Severity.WARNING)
    assert found.headline == "loss_macl is 1.4, above 1, in 3 of the last 5 training lines"
    assert [line.text for line in found.evidence[1:]] == [
        "loss_macl 1.2 at epoch 1, iteration 20/375",
        "loss_macl 1.3 at epoch 1, iteration 40/375",
        "loss_macl 1.4 at epoch 1, iteration 10/375",
    ]
    walls = [line.wall for line in found.evidence[1:]]
    assert walls == sorted(walls)
    assert len(set(walls)) == 3


def test_a_spike_is_none(story) -> None:
    for _ in range(5):
        course(story, [0.5, 0.5, 0.5, 9.0, 9.0])
        assert story.codes(**MACL) == []


def test_what_came_back_is_well_again(story) -> None:
    course(story, [1.5, 1.5, 1.5])
    assert story.codes(**MACL) == ["DW204"]
    assert course(story, [0.9]).codes(**MACL) == []


def test_what_is_no_longer_logged_is_not_judged_for_ever(story) -> None:
    course(story, [25.0] * 20, name="grad_norm")
    assert story.codes(**MACL) == ["DW201", "DW204"]
    for _ in range(RECENT):
        story.line(loss=1.0)
    assert story.codes(**MACL) == ["DW201"]


@pytest.mark.parametrize(
    ("gradient", "lines", "codes"),
    [(25.0, 10, ["DW204"]), (20.0, 10, []), (25.0, 5, []), (25.0, 7, []), (25.0, 8, ["DW204"])],
    ids=["large", "at the limit", "warm-up", "two after it", "three after it"],
)
def test_gradients_are_judged_after_the_warm_up(story, gradient, lines, codes) -> None:
    course(story, [gradient] * lines, name="train/grad_norm")
    story.events = [with_macl(event) for event in story.events]
    assert story.codes(**MACL) == codes


def with_macl(event):
    """The same line of a training whose contrastive loss is as it should be."""
    if isinstance(event, IterationLogged):
        event.metrics["loss_macl"] = 0.5 - event.at / 1000
    return event


def test_a_training_with_macl_is_known_by_its_loss_or_by_what_is_required(story) -> None:
    course(story, [1.5] * 5)
    assert story.codes() == ["DW204"]
    assert trends.ranges(story.snapshot, Thresholds()) is PairedImages.ranges
    assert trends.ranges(fold(story.events[:1]), Thresholds(required=("train/loss_macl",)))


def test_other_trainings_have_no_ranges(story) -> None:
    for _ in range(10):
        story.line(loss=90.0, grad_norm=400.0, loss_mask=30.0)
    assert story.codes(required=("loss_mask",)) == []


def test_the_ranges_of_the_settings_are_those_in_force(story) -> None:
    for value in (5.0, 0.01, 0.02, 0.03):
        story.line(loss=value, loss_macl=3.0)
    assert story.codes(ranges={}) == []
    (found,) = story.judged(ranges={"loss": Range(low=0.1, high=9.0)})
    assert "loss is 0.03, below 0.1, in 3 of the last 4" in found.headline


def test_what_is_no_number_belongs_to_another_code(story) -> None:
    course(story, [math.nan, math.inf, math.nan, math.inf])
    assert story.codes(**MACL) == ["DW203"]


def test_the_measured_courses_are_within_their_ranges(new_story) -> None:
    for values in (RIGHT, SHUFFLED):
        assert course(new_story(), values).codes(**MACL) == []
    story = course(new_story(), GRADIENTS, name="grad_norm")
    story.events = [with_macl(event) for event in story.events]
    assert story.codes(**MACL) == []


# --- DW205 ---------------------------------------------------------------------------------------


def test_a_contrastive_loss_that_stands_still(story) -> None:
    found = course(story, noisy(0.9, 30, 0.05)).judged(**MACL)
    assert [f.code for f in found] == ["DW205"]
    assert found[0].severity is Severity.WARNING
    assert "after 30 training lines in" in found[0].headline
    assert "iteration 10/375" in found[0].evidence[1].text
    assert "iteration 300/375" in found[0].evidence[2].text


def test_a_contrastive_loss_that_rises_is_surer(story, new_story) -> None:
    flat = course(new_story(), noisy(0.6, 30, 0.02)).judged(**MACL)[0]
    rising = course(story, noisy(0.5, 30, 0.02, fall=-0.4)).judged(**MACL)[0]
    assert (flat.code, rising.code) == ("DW205", "DW205")
    assert rising.confidence > flat.confidence


@pytest.mark.parametrize("count", [20, 37])
def test_the_measured_courses_converge(new_story, count) -> None:
    """Wrong pairs are learnt by heart: they do fall, and are no matter of this code."""
    for values in (RIGHT, SHUFFLED):
        assert course(new_story(), values[:count]).codes(**MACL) == []


@pytest.mark.parametrize(
    ("told", "fires"),
    [
        ({"count": 19}, False),
        ({"count": 20}, True),
        ({"count": 20, "total": 500}, False),
        ({"count": 20, "total": 500, "every": 40.0}, True),
        ({"count": 20, "total": None, "epoch": None}, False),
        ({"count": 20, "total": None, "epoch": None, "every": 40.0}, True),
        ({"count": 30, "begun": 4000, "total": None, "epoch": None, "every": 40.0}, False),
    ],
    ids=[
        "few lines", "half an epoch", "less", "ten minutes", "less, no epoch", "ten, no epoch",
        "resumed",
    ],
)  # fmt: skip
def test_it_takes_lines_and_time_from_the_beginning(story, told, fires) -> None:
    told = dict(told)
    course(story, [0.9] * told.pop("count"), **told)
    assert story.codes(**MACL) == (["DW205"] if fires else [])


@pytest.mark.parametrize(
    "values",
    [
        [0.25] * 40,
        noisy(0.2, 40, 0.09),
        [0.9, 0.7, 0.5, 0.4] + noisy(0.35, 36, 0.02),
        noisy(0.9, 36, 0.1, fall=0.3),
        noisy(0.8, 33, 0.05, fall=0.4) + [0.9] * 3,
        noisy(0.8, 30, 0.05, fall=0.4) + [5.0, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4],
    ],
    ids=["low", "low and noisy", "early", "slowly", "high at the end", "a spike at the end"],
)
def test_what_falls_or_is_low_already(story, values) -> None:
    found = course(story, values).codes(**MACL)
    assert "DW205" not in found


def test_wild_single_values_do_not_hide_a_plateau(story) -> None:
    values = noisy(0.9, 36, 0.03)
    values[1] = 4.0
    values[18] = 0.01
    assert course(story, values).codes(**MACL) == ["DW205"]


def test_a_plateau_that_is_left_at_last_is_none(story) -> None:
    assert course(story, [0.9] * 30).codes(**MACL) == ["DW205"]
    assert course(story, [0.5] * 30, begun=300).codes(**MACL) == []


@pytest.mark.parametrize("name", ["loss", "loss_cls", "loss_contrast"])
def test_other_losses_may_stand_still(story, name) -> None:
    assert course(story, [0.9] * 36, name=name).codes() == []


# --- the course in bounded memory ----------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 63, 64, 65, 1000, 5000])
def test_a_course_of_any_length_is_kept_in_bounded_memory(story, count) -> None:
    values = [index / 7 for index in range(count)]
    series = course(story, values).snapshot.metrics["loss_macl"].series
    assert len(series.buckets) <= BUCKETS
    assert series.lines == count
    assert [p.value for p in series.head] == values[:RECENT]
    whole = sum(b.count * b.mean for b in series.buckets) / count
    assert whole == pytest.approx(sum(values) / count)
    means = [b.mean for b in series.buckets]
    assert means == sorted(means), "in their order"
    assert series.buckets[-1].iteration == 10 * count


def test_only_what_is_judged_is_followed(story) -> None:
    story.line(loss=1.0, grad_norm=2.0, lr=0.1, memory=400.0, acc=50.0)
    metrics = story.snapshot.metrics
    followed = {name for name, metric in metrics.items() if metric.recent}
    assert followed == {"loss", "grad_norm"}
    assert len(metrics) == 5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.floats() | st.sampled_from([0.9, 1e308, -1e308]), max_size=90),
    st.integers(-5, 10**18),
    st.none() | st.integers(-3, 10**18),
    st.none() | st.integers(-3, 10**18),
    st.floats(allow_nan=False, allow_infinity=False, min_value=0, max_value=1e9),
    st.none() | st.builds(Range, low=st.none() | st.floats(), high=st.none() | st.floats()),
)
def test_no_course_makes_a_rule_raise(new_story, values, interval, total, epoch, every, allowed):
    story = course(new_story(), values, interval=interval, total=total, epoch=epoch, every=every)
    ranges = {} if allowed is None else {"loss_macl": allowed, "loss": allowed}
    for limits in (Thresholds(**MACL), Thresholds(**MACL, ranges=ranges)):
        found = [*trends.out_of_range(story.snapshot, limits)]
        found += trends.not_converging(story.snapshot, limits)
        assert all(0 < f.confidence <= 1 and f.evidence for f in found)


# --- a missed target ----------------------------------------------------------------------------


def after_an_epoch(story, values: Iterable[float]):
    course(story, values)
    fields = {"mode": "val", "epoch": 1, "iteration": 2, "total": None, "metrics": {"mAP": 0.5}}
    found = story.tell(EvaluationLogged, **fields).judged(
        **MACL, milestones=(MetricTarget(epoch=1, metric="loss_macl", fail_above=0.3),)
    )
    return [one.code for one in causes(found)], [one.code for one in rank(found)]


def test_a_loss_that_never_fell_missed_its_target_for_that(story) -> None:
    assert after_an_epoch(story, [0.9] * 37) == (["DW205"], ["DW205", "DW204"])


def test_one_that_fell_too_slowly_missed_it(story) -> None:
    assert after_an_epoch(story, SHUFFLED) == (["DW204"], ["DW204"])
