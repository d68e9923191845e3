"""DW215: weights that do not fit the model, and those that fit as well as they need to."""

from __future__ import annotations

import pytest
from dualwatch.events import KeysReported, KeysState, Severity, WeightsLoaded, WeightsPart


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


# --- by the log alone ---------------------------------------------------------------------------


def reported(story, *, missing=(), unexpected=(), reshaped=(), load=1, **fields):
    for state, keys in ((KeysState.UNEXPECTED, unexpected), (KeysState.MISSING, missing)):
        if keys:
            story.tell(KeysReported, load=load, state=state, keys=tuple(keys), **fields)
    for key in reshaped:
        one = {"load": load, "state": KeysState.RESHAPED, "keys": (key,)}
        story.tell(KeysReported, **one, shapes=("81x9", "7x9"))
    return [one for one in story.judged() if one.code == "DW215"]


def keys(prefix: str, count: int = 40) -> list[str]:
    return [f"{prefix}layer1.{number}.conv.weight" for number in range(count)]


HEAD = ["bbox_head.fc_cls.weight", "bbox_head.fc_cls.bias", "roi_head.bbox_head.0.fc_reg.weight"]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("module.", ""),
        ("", "backbone."),
        ("encoder.", "backbone."),
        ("model.backbone.", "backbone."),
    ],
)
def test_the_same_keys_behind_another_prefix_were_not_loaded(story, theirs, ours):
    (one,) = reported(story, missing=keys(ours), unexpected=keys(theirs))
    assert one.severity is Severity.WARNING
    assert any("under another name" in line.text for line in one.evidence)


def test_another_architecture_has_other_shapes(story):
    (one,) = reported(story, reshaped=keys("backbone."), missing=keys("neck."))
    assert one.severity is Severity.WARNING


@pytest.mark.parametrize(
    "report",
    [
        {"reshaped": HEAD},
        {"missing": HEAD, "unexpected": ["rpn_head.conv.weight"]},
        {"missing": HEAD},
    ],
    ids=["other classes", "another head", "no head in it"],
)
def test_a_head_for_other_classes_is_usual(story, report):
    (one,) = reported(story, **report)
    assert one.severity is Severity.INFO
    assert "is usual" in one.remedy


@pytest.mark.parametrize(
    "report",
    [
        {"missing": [*keys("neck."), *HEAD]},
        {"missing": keys("neck."), "unexpected": ["fc.weight", "fc.bias"]},
        {"reshaped": ["backbone.conv1.weight", *HEAD]},
        {"missing": keys("neck."), "unexpected": [*keys("encoder.", 4), "fc.weight"]},
    ],
    ids=["the backbone alone", "a classifier", "other channels", "few names are alike"],
)
def test_parts_that_a_checkpoint_lacks_are_a_note(story, report):
    (one,) = reported(story, **report)
    assert one.severity is Severity.INFO


def test_the_own_head_of_a_pretrained_backbone_is_no_finding(story):
    assert reported(story, unexpected=["fc.weight", "fc.bias"]) == []


def test_the_checkpoint_that_was_loaded_last_counts(story):
    reported(story, missing=keys("backbone."), unexpected=keys("module.backbone."), load=1)
    (one,) = reported(story, reshaped=HEAD, load=2)
    assert one.severity is Severity.INFO


def test_a_line_that_was_cut_gives_a_least_number(story):
    (one,) = reported(story, missing=keys("neck."), is_cut=True)
    assert "at least 40 are missing" in one.headline


def test_what_the_agent_compared_says_more(story):
    reported(story, missing=keys("backbone."), unexpected=keys("module.backbone."))
    (one,) = found(story, 100, 0, 4, 0)
    assert one.severity is Severity.INFO
    assert "96 of the model's 100 keys" in one.headline
