"""DW112, DW113, DW114: where a stall stands; each beside the twin that stays quiet."""

from __future__ import annotations

import pytest
from dualwatch.facts import Frame, ThreadStack
from dualwatch.wire import Phase

ASKS = ("poll", "_try_get_data", "_get_data", "_next_data", "__next__")
IN_DATASET = ("decode", "__getitem__", "fetch", "_worker_loop")
IDLE = ("poll", "get", "_worker_loop")


def frames(*functions: str) -> tuple[Frame, ...]:
    return tuple(Frame(function=f, file="/site/any.py", line=1) for f in functions)


def worker(pid: int, functions: tuple[str, ...]) -> ThreadStack:
    return ThreadStack(pid=pid, thread="MainThread", active=None, frames=frames(*functions))


def captured(story, main, *workers, times=3):
    for _ in range(times):
        story.captured(*frames(*main), workers=workers)
    return story


@pytest.mark.parametrize("busy", [False, True])
def test_a_worker_at_one_place_of_the_dataset(story, busy):
    story.trains().stops_in(Phase.WAITING).silent(300, busy=busy)
    captured(story, ASKS, worker(101, IN_DATASET), worker(102, IDLE))
    assert story.codes() == ["DW112", "DW102"]
    assert story.judged()[0].headline.startswith("1 of 2 loader workers")


def test_a_worker_at_a_lock_is_a_deadlock_and_nothing_else(story):
    story.trains().stops_in(Phase.WAITING).silent(300, wchan="futex_do_wait")
    captured(story, ASKS, worker(101, IN_DATASET), worker(102, IDLE))
    assert story.codes() == ["DW111", "DW102"]


def test_a_worker_that_goes_from_place_to_place_is_not_stuck(story):
    story.trains().stops_in(Phase.WAITING).silent(300, busy=True)
    for step in ("decode", "resize", "flip"):
        story.captured(
            *frames(*ASKS), workers=(worker(101, (step, *IN_DATASET)), worker(102, IDLE))
        )
    # The main process stands in one place, as it does whenever it waits.
    assert story.codes() == ["DW104"]


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize(
    ("phase", "main", "stalls"),
    [
        (Phase.STEP, ("spin", "forward", "train_step"), "DW102"),
        (Phase.VAL_STEP, ("spin", "predict", "val_step"), "DW103"),
        (Phase.WAITING, ("__iter__", "_next_index", "_try_put_index"), "DW102"),
    ],
)
def test_a_main_process_that_is_stuck_in_its_own_code(story, busy, phase, main, stalls):
    story.trains().stops_in(phase).silent(300, busy=busy)
    assert captured(story, main).codes() == ["DW114", stalls]


def test_too_few_captures_name_no_place(story):
    story.trains().stops_in(Phase.STEP).silent(300)
    assert captured(story, ("spin", "forward"), times=2).codes() == ["DW102"]


def test_a_dataset_that_is_never_built(story):
    story.stops_in(Phase.BUILDING_DATA).silent(300)
    captured(story, ("acquire", "load_data_list", "full_init", "build_dataloader"), times=1)
    assert story.codes() == ["DW113", "DW101"]


def test_a_dataset_that_takes_its_time(story):
    story.stops_in(Phase.BUILDING_DATA).silent(300, busy=True)
    captured(story, ("parse", "load_data_list", "full_init", "build_dataloader"))
    assert story.codes() == ["DW104"]
