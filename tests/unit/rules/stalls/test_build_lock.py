"""DW121: a lock of an extension build whose owner is gone, and builds that are under way."""

from __future__ import annotations

import pytest
from dualwatch.events import BuildLock, BuildLocksSeen, Frame
from dualwatch.protocol import Phase

from tests.unit.conftest import EPOCH

TORCH = "/site-packages/torch/utils/"
WAITS = (
    Frame(function="FileBaton.wait", file=f"{TORCH}file_baton.py", line=49),
    Frame(function="_jit_compile", file=f"{TORCH}cpp_extension.py", line=2400),
    Frame(function="load", file=f"{TORCH}cpp_extension.py", line=1926),
    Frame(function="load_nms", file="/work/ops.py", line=12),
    Frame(function="build_model", file="/work/model.py", line=40),
)
PATH = "/home/me/.cache/torch_extensions/py311_cpu/nms/lock"


def lock(**fields) -> BuildLock:
    known = {"pid": 100, "file": PATH, "created": EPOCH - 7200.0}
    return BuildLock(**{**known, **fields})


def waits(story, *locks, phase=Phase.VAL_STEP, main=WAITS, **sample):
    story.trains().sample(each={100: {"create_time": EPOCH - 60.0}})
    sample = {"wchan": "hrtimer_nanosleep", "each": {100: {"create_time": EPOCH - 60.0}}, **sample}
    story.stops_in(phase).silent(300, **sample)
    return story.tell(BuildLocksSeen, locks=locks).captured(*main)


def test_a_lock_without_an_owner_is_named(story):
    found = waits(story, lock()).judged()[0]

    assert (found.code, found.certainty) == ("DW121", "certain")
    assert PATH in found.headline
    assert "load_nms (ops.py:12)" in found.headline
    assert f"rm {PATH}" in found.remedy
    assert found.pid == 100


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.BUILDING, Phase.VAL_STEP])
def test_it_explains_the_stall_of_every_phase(story, phase):
    assert waits(story, lock(), phase=phase).codes()[0] == "DW121"


def test_a_lock_that_another_training_holds_is_slow(story):
    assert waits(story, lock(holders=(4711,))).codes() == ["DW104"]


def test_a_compiler_below_main_is_slow(story):
    story.trains().stops_in(Phase.VAL_STEP).silent(300, busy=(101,))
    frames = (Frame(function="run_ninja", file=f"{TORCH}cpp_extension.py", line=1), *WAITS[1:])
    assert story.captured(*frames).codes() == ["DW104"]


def test_a_compiler_that_takes_long_in_a_step_is_slow(story):
    story.trains().stops_in(Phase.STEP).silent(300, busy=(101,))
    frames = (Frame(function="run_ninja", file=f"{TORCH}cpp_extension.py", line=1), *WAITS[1:])
    for _ in range(3):
        story.silent(10, busy=(101,)).captured(*frames)
    assert story.codes() == ["DW104"]


def test_a_lock_that_one_rank_holds_is_not_stale(story):
    assert "DW121" not in waits(story, lock(holders=(101,))).codes()


def test_an_owner_may_be_out_of_sight(story):
    found = waits(story, lock(hidden="it is in a network folder")).judged()[0]
    assert (found.code, found.certainty) == ("DW121", "likely")


def test_of_several_locks_none_is_named_for_removal(story):
    found = waits(story, lock(), lock(file="/other/lock")).judged()[0]

    assert (found.code, found.certainty) == ("DW121", "likely")
    assert "rm " not in found.remedy


def test_a_process_that_waits_elsewhere_has_no_such_cause(story):
    assert "DW121" not in waits(story, lock(), main=WAITS[3:]).codes()
