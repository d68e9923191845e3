"""What check and diagnose say of recorded runs stays; ``python -m tests.recorded`` compares all."""

from __future__ import annotations

import pytest

from tests.recorded import documents, runs

SOME = ("demo-deadlock", "worker-is-killed", "loss-becomes-NaN", "forward-sleeps", "demo")


@pytest.mark.parametrize("name", SOME)
def test_check_and_diagnose_say_the_same(name):
    expected = runs.expected()[name]
    found = documents.of(runs.journal_of(name).parent.parent)
    assert found == {"check": expected["check"], "diagnose": expected["diagnose"]}
