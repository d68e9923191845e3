"""DW119: an evaluation whose pool of processes never answers, and evaluations that are well."""

from __future__ import annotations

import pytest
from dualwatch.events import Frame, ThreadStack
from dualwatch.protocol import Phase

POOL = "/usr/lib/python3.11/multiprocessing/pool.py"
MAIN = (
    Frame(function="wait", file="/usr/lib/python3.11/threading.py", line=327),
    Frame(function="MapResult.wait", file=POOL, line=765),
    Frame(function="MapResult.get", file=POOL, line=768),
    Frame(function="Pool.starmap", file=POOL, line=375),
    Frame(function="eval_map", file="/mm/mean_ap.py", line=631),
    Frame(function="VOCMetric.compute_metrics", file="/mm/voc_metric.py", line=135),
)
BELOW = (
    Frame(function="worker", file=POOL, line=114),
    Frame(function="Process.run", file="/usr/lib/python3.11/multiprocessing/process.py", line=108),
    *MAIN[3:],
)
IDLE = (Frame(function="get", file="/usr/lib/python3.11/multiprocessing/queues.py", line=364),)
ASKING = (Frame(function="acquire", file="/usr/lib/multiprocessing/synchronize.py", line=57),)
IN_A_TASK = (
    Frame(function="acquire", file="/mm/cache.py", line=9),
    Frame(function="tpfp_default", file="/mm/mean_ap.py", line=70),
)


def child(pid: int, *own: Frame) -> ThreadStack:
    return ThreadStack(pid=pid, thread="MainThread", active=None, frames=(*own, *BELOW))


def pool(story, children, *, main=MAIN, busy=False, each=None):
    story.trains().stops_in(Phase.METRICS).silent(300, busy=busy, wchan="futex_do_wait")
    if each:
        story.sample(each=each)
    return story.captured(*main, workers=tuple(children))


def test_a_pool_of_which_a_process_was_replaced(story):
    each = {102: {"create_time": 60.0}}
    found = pool(story, [child(101, *IDLE), child(102, *IDLE)], each=each).judged()[0]

    assert (found.code, found.certainty) == ("DW119", "certain")
    assert "eval_map (mean_ap.py:631)" in found.headline
    assert any("102" in one.text and "replaces" in one.text for one in found.evidence)


def test_a_dead_child_may_have_kept_the_lock_of_the_queue(story):
    children = [child(101, *ASKING, *IDLE), child(102, *ASKING, *IDLE)]
    assert pool(story, children).codes() == ["DW119", "DW103"]


def test_a_process_that_is_blocked_in_its_task_is_named(story):
    found = pool(story, [child(101, *IDLE), child(102, *IN_A_TASK)]).judged()[0]

    assert found.code == "DW119"
    assert any("blocked in acquire (cache.py:9)" in one.text for one in found.evidence)


def test_a_pool_whose_processes_work_is_slow(story):
    assert pool(story, [child(101, *IDLE), child(102, *IN_A_TASK)], busy=(102,)).codes() == [
        "DW104"
    ]


@pytest.mark.parametrize(
    "main",
    [
        MAIN[4:],
        (Frame(function="sleep", file="/mm/server.py", line=3), *MAIN[4:]),
    ],
)
def test_an_evaluation_that_waits_for_something_else_has_no_such_cause(story, main):
    assert "DW119" not in pool(story, [], main=main).codes()
