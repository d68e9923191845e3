"""The nearest valid name."""

from __future__ import annotations

import pytest
from dualwatch.core.errors import did_you_mean, nearest


@pytest.mark.parametrize(
    ("word", "most", "expected"),
    [
        ("--stal", 1, ["--stall-timeout"]),
        ("--stal-timeout", 1, ["--stall-timeout"]),
        ("--metrics", 2, ["--metrics-port", "--metrics-host"]),
        ("--colour", 3, []),
        ("", 3, []),
    ],
)
def test_a_name_that_begins_with_the_word_comes_first(word, most, expected) -> None:
    names = ["--stall-timeout", "--busy-timeout", "--metrics-port", "--metrics-host", "--on-stall"]
    assert nearest(word, names, most, cutoff=0.6) == expected


def test_no_question_without_a_name_to_ask_for() -> None:
    assert did_you_mean("xyzzy", ["port"]) == ""
    assert "'port'" in did_you_mean("prt", ["port"])
