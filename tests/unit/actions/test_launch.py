"""The environment of a started training."""

from __future__ import annotations

from dualwatch.actions import launch
from dualwatch.protocol.environment import BUILD_FOLDER, OWN_BUILDS


def test_extensions_are_built_in_the_run_only_where_a_remedy_wants_it(tmp_path):
    attempt = tmp_path / "dualwatch" / "attempt-1"
    theirs = {BUILD_FOLDER: "/theirs"}

    assert launch.environment(theirs, attempt, "m")[BUILD_FOLDER] == "/theirs"
    own = launch.environment({**theirs, OWN_BUILDS: "1"}, attempt, "m")[BUILD_FOLDER]
    assert own == str(attempt.resolve().parent / "torch_extensions")
