"""DW123: loader workers that do not end after a pass over the data, and ends that are under way."""

from __future__ import annotations

import pytest
from dualwatch.events import Frame, ThreadStack
from dualwatch.protocol import Phase

LOADER = "/sp/torch/utils/data/dataloader.py"
JOINS = (
    Frame(function="poll", file="/usr/lib/python3.11/multiprocessing/popen_fork.py", line=27),
    Frame(function="join", file="/usr/lib/python3.11/multiprocessing/process.py", line=149),
)
LOOP = (
    Frame(function="_next_data", file=LOADER, line=1490),
    Frame(function="__next__", file=LOADER, line=732),
    Frame(function="run_epoch", file="/sp/runner/loops.py", line=112),
)
SHUTS = Frame(function="_shutdown_workers", file=LOADER, line=1654)
EXITS = Frame(function="_exit_function", file="/lib/multiprocessing/util.py", line=360)
HANGS = (
    Frame(function="flush", file="/work/cache.py", line=31),
    Frame(function="_exit_function", file="/lib/multiprocessing/util.py", line=330),
)


def joins(story, main, **sample):
    story.trains().stops_in(Phase.WAITING).silent(300, wchan="do_wait", **sample)
    worker = ThreadStack(pid=102, thread="MainThread", active=None, frames=HANGS)
    return story.captured(*main, workers=(worker,))


@pytest.mark.parametrize(
    "main", [(*JOINS, SHUTS, *LOOP), (*JOINS, EXITS)], ids=["after a pass", "at its own end"]
)
def test_a_worker_that_is_alive_is_named(story, main):
    found = joins(story, main, each={101: None}).judged()[0]

    assert (found.code, found.certainty, found.pid) == ("DW123", "certain", 100)
    assert any("flush (cache.py:31)" in one.text for one in found.evidence)


def test_workers_that_are_gone_are_not_waited_for(story):
    gone = {101: None, 102: None}
    assert "DW123" not in joins(story, (*JOINS, SHUTS, *LOOP), each=gone).codes()


def test_a_worker_that_works_at_its_end_is_slow(story):
    assert joins(story, (*JOINS, SHUTS, *LOOP), busy=(102,)).codes() == ["DW104"]


def test_the_end_of_a_thread_is_something_else(story):
    thread = (Frame(function="join", file="/usr/lib/python3.11/threading.py", line=1119),)
    assert "DW123" not in joins(story, (*thread, SHUTS, *LOOP)).codes()
