"""DW111: a deadlock of the loader's workers, and every part that it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dualwatch.facts import Frame, ThreadStack
from dualwatch.wire import Phase

ASKS = ("wait", "poll", "_try_get_data", "_get_data", "_next_data", "__next__", "run_epoch")
STUCK = ("acquire", "load_infrared", "__getitem__", "fetch", "_worker_loop", "run")
IDLE_WORKER = ("wait", "poll", "get", "_worker_loop", "run")


def stack(pid: int, functions: tuple[str, ...]) -> ThreadStack:
    frames = tuple(
        Frame(function=name, file=f"/site/{name}.py", line=number)
        for number, name in enumerate(functions, 1)
    )
    return ThreadStack(pid=pid, thread="MainThread", active=None, frames=frames)


@pytest.fixture
def deadlock(story) -> Callable[..., Any]:
    """A story of a deadlock, with any part of it put differently."""

    def tell(
        *,
        main: tuple[str, ...] = ASKS,
        workers: tuple[tuple[int, tuple[str, ...]], ...] = ((101, STUCK), (102, STUCK)),
        wchan: str = "futex_wait_queue",
        seconds: float = 300,
        busy: bool = False,
    ) -> Any:
        story.trains().stops_in(Phase.WAITING).silent(seconds, wchan=wchan, busy=busy)
        frames = stack(100, main).frames
        return story.captured(*frames, workers=tuple(stack(pid, f) for pid, f in workers))

    return tell


def test_a_deadlock_is_named_before_the_stall_that_it_causes(deadlock) -> None:
    cause, stall = deadlock().judged()
    assert (cause.code, stall.code) == ("DW111", "DW102")
    assert cause.headline.startswith("2 of 2 loader workers wait for a lock")
    assert cause.evidence[1].text == "main: wait < poll < _try_get_data"
    assert cause.evidence[2].text == (
        "worker 101: acquire (acquire.py:1) < load_infrared (load_infrared.py:2); "
        "sleeps in futex_wait_queue"
    )


def test_it_is_surer_when_every_worker_waits(deadlock, story) -> None:
    some = deadlock(workers=((101, STUCK), (102, IDLE_WORKER))).judged()[0]
    assert some.code == "DW111"
    assert "1 of 2" in some.headline
    story.facts.pop()
    workers = (stack(101, STUCK), stack(102, STUCK))
    every = story.captured(*stack(100, ASKS).frames, workers=workers).judged()[0]
    assert every.confidence > some.confidence


def test_names_with_their_classes_are_known_as_well(deadlock) -> None:
    found = deadlock(
        main=("_MultiProcessingDataLoaderIter._try_get_data",),
        workers=((101, ("Lock.acquire", "_MapDatasetFetcher.fetch", "_worker_loop")),),
    )
    assert found.codes() == ["DW111", "DW102"]


@pytest.mark.parametrize(
    ("part", "codes"),
    [
        ({"main": ("forward", "train_step")}, ["DW102"]),
        ({"main": ()}, ["DW102"]),
        ({"workers": ()}, ["DW102"]),
        ({"workers": ((101, IDLE_WORKER), (102, IDLE_WORKER))}, ["DW102"]),
        ({"workers": ((101, ("acquire", "fetch", "run")),)}, ["DW102"]),
        ({"workers": ((777, STUCK),)}, ["DW102"]),
        ({"wchan": "pipe_read"}, ["DW102"]),
        ({"wchan": ""}, ["DW102"]),
        ({"busy": True}, ["DW104"]),
        ({"seconds": 299}, []),
    ],
    ids=[
        "main does not ask for a batch",
        "main not seen",
        "no worker",
        "workers wait for work",
        "a thread of the user's own",
        "worker not in the sample",
        "workers wait for data",
        "kernel does not say",
        "tree works",
        "too early",
    ],
)
def test_each_missing_part_makes_it_quiet(deadlock, part, codes) -> None:
    assert deadlock(**part).codes() == codes


def test_without_stacks_no_cause_is_named(story) -> None:
    story.trains().stops_in(Phase.WAITING).silent(300, wchan="futex_wait_queue")
    assert story.codes() == ["DW102"]
