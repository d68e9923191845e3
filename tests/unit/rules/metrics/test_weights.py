"""DW215: weights that do not fit the model, and those that fit as well as they need to."""

from __future__ import annotations

import pytest
from dualwatch.events import Severity, WeightsLoaded, WeightsPart


def found(story, keys, missing, reshaped, unexpected):
    part = WeightsPart(
        path="neck", keys=keys, missing=missing, reshaped=reshaped, unexpected=unexpected
    )
    story.tell(
        WeightsLoaded,
        rank=0,
        keys=keys,
        missing=missing,
        reshaped=reshaped,
        unexpected=unexpected,
        parts=(part,),
    )
    return [one for one in story.judged() if one.code == "DW215"]


@pytest.mark.parametrize(
    ("counts", "severity"),
    [
        ((100, 100, 0, 90), Severity.ERROR),
        ((100, 60, 0, 60), Severity.WARNING),
        ((100, 40, 20, 0), Severity.WARNING),
        ((100, 0, 4, 0), Severity.INFO),  # A head for other classes.
        ((100, 0, 0, 2), Severity.INFO),
    ],
)
def test_the_more_does_not_fit_the_worse(story, counts, severity):
    (one,) = found(story, *counts)

    assert one.severity is severity
    assert any("neck" in line.text for line in one.evidence)


def test_weights_that_fit_are_no_finding(story):
    assert found(story, 100, 0, 0, 0) == []
