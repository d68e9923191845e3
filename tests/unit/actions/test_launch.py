"""The environment of a started training."""

from __future__ import annotations

from dualwatch.actions import launch
from dualwatch.protocol import BUILDS_ENV, ENV_OWN_BUILDS


def test_extensions_are_built_in_the_run_only_where_a_remedy_wants_it(tmp_path):
    attempt = tmp_path / "dualwatch" / "attempt-1"
    theirs = {BUILDS_ENV: "/theirs"}

    assert launch.environment(theirs, attempt, "m")[BUILDS_ENV] == "/theirs"
    own = launch.environment({**theirs, ENV_OWN_BUILDS: "1"}, attempt, "m")[BUILDS_ENV]
    assert own == str(attempt.resolve().parent / "torch_extensions")
