"""DW214: parts that are not trained, and parts that need not be."""

from __future__ import annotations

from typing import Any

import pytest
from dualwatch.events import Circumstance, LearningSeen, PartLearning, Severity


def part(path: str, size: int = 100, **fields: Any) -> PartLearning:
    """A part that is trained, unless its fields say otherwise."""
    sound = {
        "path": path,
        "kind": "Module",
        "parameters": size,
        "trainable": size,
        "optimised": size,
        "rated": size,
        "rising": size,
        "gradient": size,
        "looks": 4,
        "sampled": 2,
        "changed": 2,
        "moves": 2,
        "called": True,
        "evaluating": 0,
    }
    return PartLearning(**{**sound, **fields})


def found(story: Any, *parts: PartLearning, whole: dict[str, Any] | None = None, **fields: Any):
    known = {"rank": 0, "first": 1, "iteration": 4, "steps": 4, "cleared": 3, "uncleared": 0}
    size = sum(one.parameters for one in parts if "." not in one.path)
    everything = part("", size, **(whole or {}))
    story.tell(LearningSeen, **{**known, **fields}, parts=(everything, *parts))
    return [one for one in story.judged() if one.code == "DW214"]


SOUND = part("head")


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"optimised": 0, "rated": 0, "rising": 0, "changed": 0}, Circumstance.OUTSIDE_OPTIMIZER),
        ({"gradient": 0, "moves": 0, "changed": 0}, Circumstance.NO_GRADIENT),
        (
            {"gradient": 0, "moves": 0, "changed": 0, "called": False, "looks": 6},
            Circumstance.NEVER_CALLED,
        ),
        ({"evaluating": 4}, Circumstance.EVAL_MODE),
    ],
)
def test_a_part_is_named(story, fields, what):
    (one,) = found(story, SOUND, part("neck", **fields))

    assert (one.severity, one.circumstance, one.subject) == (Severity.WARNING, what, what.value)
    assert "neck" in one.headline


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"trainable": 0, "optimised": 0, "gradient": 0, "looks": 0, "sampled": 0},  # Frozen.
        {"gradient": 0, "moves": 0, "called": False},  # It may have had nothing to do yet.
        {"optimised": 0, "looks": 2},
        {"optimised": None},
        {"evaluating": 2},
        {"moves": 0, "changed": 0},  # A loss of weight 0 for a start.
        {"changed": 0},  # Steps too small to be seen yet.
    ],
)
def test_a_part_that_is_trained_or_frozen_is_not(story, fields):
    assert found(story, SOUND, part("neck", **fields)) == []


def test_a_rate_of_zero_of_a_part_is_a_note_and_of_the_whole_an_error(story, new_story):
    without = {"rated": 0, "rising": 0, "changed": 0}

    (one,) = found(story, SOUND, part("backbone", **without))
    (whole,) = found(new_story().started(), part("neck", **without), whole=without)

    assert (one.severity, one.circumstance) == (Severity.INFO, Circumstance.RATE_ZERO)
    assert (whole.severity, whole.circumstance) == (Severity.ERROR, Circumstance.RATE_ZERO)


def test_a_schedule_that_begins_at_zero_gets_time(story, new_story):
    begun = {"rated": 0, "changed": 0}

    assert found(story, SOUND, whole=begun) == []
    (late,) = found(new_story().started(), SOUND, whole=begun, iteration=206, steps=6)
    assert late.circumstance is Circumstance.RATE_ZERO


def test_gradients_that_are_never_cleared(story, new_story):
    (one,) = found(story, SOUND, cleared=0, uncleared=3)

    assert (one.severity, one.circumstance) == (Severity.ERROR, Circumstance.NOT_CLEARED)
    assert found(new_story().started(), SOUND, cleared=1, uncleared=2) == []


def test_values_that_do_not_change_in_a_long_time(story):
    (one,) = found(story, SOUND, part("neck", changed=0), iteration=206, steps=6)

    assert one.circumstance is Circumstance.UNCHANGED


def test_only_the_uppermost_module_is_named_and_small_ones_within_a_part_are_not(story, new_story):
    outside = {"optimised": 0}
    whole = [part("neck", **outside), part("neck.conv", 60, **outside)]

    (one,) = found(story, SOUND, *whole)
    assert len(one.evidence) == 2

    small = part("head.scale", 1, **outside)
    assert found(new_story().started(), part("head", 10_000), small) == []
    assert found(new_story().started(), part("head"), small)
