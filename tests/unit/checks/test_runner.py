"""Every item once: dependants after what they need, reasons always, never a pass unseen."""

from __future__ import annotations

import pytest
from dualwatch.checks import profiles, runner
from dualwatch.checks.item import CheckSubject, Item, NotJudged, RunLife, Status
from dualwatch.rules.catalog import BY_CODE


def statuses(results):
    return {name: result.status.value for name, result in results.items()}


def test_before_anything_is_known_nothing_has_passed(judged):
    for result in judged(CheckSubject()).values():
        assert result.status in (Status.SKIP, Status.PENDING), result
        assert result.observed


def test_a_sound_training_passes_its_whole_course(training, judged):
    training.wait(50).warms_up().ends_epoch().ends_epoch(0.2).ends_epoch(0.2, **{"x/mAP": 0.6})
    training.finished, training.life = True, RunLife.OVER
    told = judged(training.subject())
    wrong = {k: r.observed for k, r in told.items() if r.status in (Status.FAIL, Status.WARN)}

    assert set(wrong) == {"epoch-3-map"}  # 0.57 where 0.58 would be better
    stages = ("startup", "warmup", "epoch-1", "running")
    assert not [r for r in told.values() if r.item.stage in stages and r.status is Status.PENDING]


def test_one_fault_is_told_once(training, judged):
    training.lines(3, loss_macl=None)
    told = judged(training.subject())

    assert told["loss-macl"].status is Status.FAIL
    assert told["loss-macl"].code == "DW201"
    for dependant in ("loss-macl-at-50", "loss-macl-falls"):
        assert told[dependant].status is Status.SKIP
        assert told[dependant].reason is NotJudged.BLOCKED
        assert told[dependant].blocked_by == "loss-macl"


def test_what_waits_says_for_what(training, judged):
    told = judged(training.wait(30).subject())
    assert told["first-line"].status is Status.PENDING
    assert told["loss-macl"].reason is NotJudged.WAITING
    assert told["loss-macl"].blocked_by == "first-line"


def test_an_ignored_item_is_skipped_with_the_users_reason(training, judged):
    told = judged(training.lines(3).subject(), **{"grad-norm-at-50": "it is clipped"})
    assert told["grad-norm-at-50"].status is Status.SKIP
    assert told["grad-norm-at-50"].reason is NotJudged.IGNORED
    assert "it is clipped" in told["grad-norm-at-50"].observed


def test_a_probe_that_raises_is_a_failure_of_its_own():
    item = Item(id="x", stage="startup", title="x", probe="metric-at", limits={})
    (result,) = runner.judge([item], CheckSubject())
    assert (result.status, result.code) == (Status.FAIL, "DW001")


def test_an_item_that_is_only_good_to_know_never_fails():
    (item,) = (i for i in profiles.load("neutral").all_items if i.id == "stacks")
    assert item.worst == "warn"


def test_items_that_need_each_other_end():
    a = Item(id="a", stage="startup", title="a", probe="required-metrics", needs=("b",))
    b = Item(id="b", stage="startup", title="b", probe="required-metrics", needs=("a",))
    assert len(runner.judge([a, b], CheckSubject())) == 2


def test_the_log_of_another_machine_says_nothing_of_ours(training, judged):
    told = judged(training.lines(2).subject(elsewhere=True, life=RunLife.UNKNOWN))
    for name in ("disk", "memory", "gpu-memory", "stacks", "orphans", "console-encoding"):
        assert told[name].status is Status.SKIP
        assert told[name].reason is NotJudged.ELSEWHERE


def test_counts_are_complete(training, judged):
    found = runner.counts(judged(training.lines(2).subject()).values())
    assert set(found) == {"pass", "warn", "fail", "skip", "pending"}
    assert sum(found.values()) == len(profiles.load("macl").all_items)


@pytest.mark.parametrize("name", list(profiles.shipped()))
def test_what_fails_has_a_remedy_and_a_code_that_exists(name):
    for item in profiles.load(name).all_items:
        assert item.code in BY_CODE, item.id
        assert item.title
