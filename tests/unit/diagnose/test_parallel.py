"""Collectors side by side: one that hangs or fails costs its own answer only."""

from __future__ import annotations

import threading

from dualwatch.diagnose.parallel import Collector, collect


def test_each_answer_comes_under_its_name():
    told: list[str] = []
    answers, failures = collect(
        {"a": Collector(lambda: 1, 30.0), "b": Collector(lambda: None, 30.0)}, told.append
    )
    assert (answers, failures) == ({"a": 1, "b": None}, {})
    assert sorted(told) == ["a", "b"]


def test_they_do_run_at_the_same_time():
    # Each waits for the other: one after the other they would never end.
    both = threading.Barrier(2, timeout=30.0)
    answers, failures = collect(
        {name: Collector(both.wait, 60.0) for name in ("left", "right")}, lambda name: None
    )
    assert sorted(answers.values()) == [0, 1]
    assert failures == {}


def test_one_that_fails_tells_why():
    def fail():
        raise PermissionError(13, "no")

    answers, failures = collect({"log": Collector(fail, 30.0), "gpu": Collector(lambda: 2, 30.0)})
    assert answers == {"gpu": 2}
    assert failures["log"] == "failed: PermissionError: [Errno 13] no"


def test_one_that_hangs_is_left_behind_and_its_late_answer_is_not_used():
    release = threading.Event()
    done = threading.Event()

    def hang():
        release.wait()
        return "late"

    answers, failures = collect(
        {"stuck": Collector(hang, 0.05), "quick": Collector(lambda: "here", 30.0)},
        lambda name: done.set() if name == "stuck" else None,
    )
    assert answers == {"quick": "here"}
    assert failures == {"stuck": "no answer within 0.05 s"}
    release.set()
    assert done.wait(30.0)
    assert answers == {"quick": "here"}
