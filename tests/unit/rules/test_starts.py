"""What several starts have in common."""

from __future__ import annotations

import pytest
from dualwatch.protocol import Phase
from dualwatch.rules.starts import EarlierStart, StartEnd, in_common
from dualwatch.rules.status import RunStatus

NEWEST = RunStatus(phase=Phase.STARTING, sentence="", decided=False)


def start(end: StartEnd, phase: str, code: str | None = None) -> EarlierStart:
    return EarlierStart(number=1, begun=1.0, last=2.0, end=end, phase=phase, sentence="", code=code)


SAVING = start(StartEnd.UNKNOWN, Phase.SAVING)
FINISHED = start(StartEnd.FINISHED, Phase.FINISHED)
BUILDING = start(StartEnd.UNKNOWN, Phase.BUILDING_DATA)
NO_MEMORY = start(StartEnd.FAILED, Phase.STEP, "DW401")


@pytest.mark.parametrize(
    ("before", "has"),
    [
        ([], False),
        ([SAVING], False),
        ([SAVING, SAVING], True),
        ([FINISHED, SAVING, SAVING], True),
        ([SAVING, SAVING, FINISHED], False),
        ([SAVING, BUILDING], False),
        ([FINISHED, FINISHED], False),
        ([NO_MEMORY, NO_MEMORY], True),
        ([NO_MEMORY, start(StartEnd.FAILED, Phase.STEP, "DW306")], False),
    ],
)
def test_in_common(before: list[EarlierStart], has: bool) -> None:
    assert bool(in_common(before, NEWEST)) is has


def test_all_of_them_where_the_newest_ends_there_too() -> None:
    loading = start(StartEnd.UNKNOWN, Phase.LOADING)
    said = in_common([BUILDING, loading, BUILDING], NEWEST)
    assert "4" in said, "all before the first training line, wherever that was"
    other = RunStatus(phase=Phase.TRAINING, sentence="", decided=False)
    assert "3" in in_common([BUILDING, loading, BUILDING], other)
