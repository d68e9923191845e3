"""DW124: a batch that no worker works on, and waits in which one does."""

from __future__ import annotations

import pytest
from dualwatch.events import Frame, ThreadStack
from dualwatch.protocol import Phase

ASKS = ("wait", "poll", "_try_get_data", "_get_data", "_next_data", "__next__", "run_epoch")
IDLE = ("wait", "poll", "get", "_worker_loop", "run")
LOADING = ("read", "__getitem__", "fetch", "_worker_loop", "run")


def stack(pid: int, functions: tuple[str, ...]) -> ThreadStack:
    frames = tuple(Frame(function=name, file=f"/site/{name}.py", line=1) for name in functions)
    return ThreadStack(pid=pid, thread="MainThread", active=None, frames=frames)


def waits(story, workers, *, main=ASKS, busy=False):
    story.trains().stops_in(Phase.WAITING).silent(300, wchan="do_poll", busy=busy)
    frames = stack(100, main).frames
    return story.captured(*frames, workers=tuple(stack(pid, f) for pid, f in workers))


def test_all_workers_wait_for_work(story):
    assert waits(story, ((101, IDLE), (102, IDLE))).codes() == ["DW124", "DW102"]


@pytest.mark.parametrize(
    ("workers", "main"),
    [
        (((101, IDLE), (102, LOADING)), ASKS),
        (((101, IDLE),), ASKS),
        (((101, IDLE), (102, IDLE)), ("forward", "train_step")),
    ],
    ids=["one loads", "one was not seen", "main works"],
)
def test_everything_else_is_something_else(story, workers, main):
    assert "DW124" not in waits(story, workers, main=main).codes()


def test_a_tree_that_works_is_slow(story):
    assert "DW124" not in waits(story, ((101, IDLE), (102, IDLE)), busy=(101,)).codes()
