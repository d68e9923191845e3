"""``diagnose`` and ``check`` give one verdict on each recorded run, as on strangers' inputs."""

from __future__ import annotations

import pytest
from dualwatch.core.settings import resolve

from tests.recorded import runs
from tests.strangers import known
from tests.strangers.answers import asked
from tests.strangers.consistency import contradictions

KNOWN = known.names()


@pytest.mark.parametrize("name", sorted(runs.expected()))
def test_a_recorded_run_has_one_verdict(name):
    work_dir = runs.journal_of(name).parent.parent
    answer = asked(work_dir, resolve({}).check_policy())
    assert answer.crashed == ""
    clashes = contradictions(answer)
    if f"recorded: {name}" in KNOWN:
        assert clashes, f"take 'recorded: {name}' off known.txt: the two commands agree"
        return
    assert clashes == set()
