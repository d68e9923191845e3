"""Domains: which one a training belongs to, and what follows from it."""

from __future__ import annotations

import pytest
from dualwatch import domains


@pytest.mark.parametrize(
    ("given", "words", "expected", "because"),
    [
        (("loss_a", "loss_b"), ["MACLHead"], ("loss_a", "loss_b"), "flag"),
        ((), ["MACLHead"], (), "flag"),
        (None, ["backbone", "MACLHead"], ("loss_macl",), "mentions MACLHead"),
        (None, ["macl_head"], ("loss_macl",), "mentions macl_head"),
        (None, ["FasterRCNN"], (), "does not mention MACL"),
        (None, [], (), "does not mention MACL"),
    ],
)
def test_required_metrics(given, words, expected, because) -> None:
    metrics, reason = domains.required_metrics(given, "flag", words)
    assert metrics == expected
    assert because in reason


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (["loss", "train/loss_macl"], "paired"),
        (["loss_macl"], "paired"),
        (["loss_macl_x"], ""),
        ([], ""),
    ],
)
def test_the_domain_of_metrics(names, name) -> None:
    assert domains.of_metrics(names).name == name


def test_a_domain_of_nothing_special_judges_nothing() -> None:
    neutral = domains.of_words(["FasterRCNN"])
    assert (neutral.ranges, neutral.required, neutral.falling) == ({}, (), ())
