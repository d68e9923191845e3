"""Findings, causes and decisions of recorded runs are those of the version that recorded them."""

from __future__ import annotations

import json

import pytest
from dualwatch.events import journal

from tests.recorded import runs
from tests.recorded.replay import Replay


@pytest.mark.parametrize("name", sorted(runs.expected()))
def test_rules_and_remedies_say_the_same(name):
    answers = Replay().run(journal.read(runs.journal_of(name)))
    assert json.loads(json.dumps(answers)) == runs.expected()[name]["replay"]
