"""The rungs of a configuration, and the decision for each stall."""

from __future__ import annotations

import pytest
from dualwatch.facts import Action, Evidence
from dualwatch.judge.codes import finding
from dualwatch.treat.ladder import STALLS, History, Policy, decide, ladder


def loader(batch: int | None, workers: int) -> dict[str, object]:
    known = {"num_workers": workers, "dataset": {}}
    return {**known, "batch_size": batch} if batch is not None else known


@pytest.mark.parametrize(
    ("batch", "workers", "names", "stretches"),
    [
        (4, 2, ["no workers and batch 4 -> 2", "no workers and batch 4 -> 1"], [2, 4]),
        (5, 2, ["no workers and batch 5 -> 1"], [5]),
        (6, 2, ["no workers and batch 6 -> 3", "no workers and batch 6 -> 1"], [2, 6]),
        (2, 2, ["no workers and batch 2 -> 1"], [2]),
        (1, 2, ["no workers"], [1]),
        (None, 2, ["no workers"], [1]),
        (4, 0, ["batch 4 -> 2", "batch 4 -> 1"], [2, 4]),
        (1, 0, [], []),
        (None, 0, [], []),
    ],
)
def test_rungs(sections, climb, batch, workers, names, stretches) -> None:
    rungs = climb(sections(train_dataloader=loader(batch, workers)))
    assert [rung.name for rung in rungs] == names
    assert [rung.stretch for rung in rungs] == stretches


@pytest.mark.parametrize("nothing", [{}, {"train_dataloader": None}, {"train_dataloader": []}])
def test_a_configuration_that_says_nothing_has_no_ladder(nothing) -> None:
    assert ladder(nothing, keep_effective_batch=True) == ()


def test_each_rung_is_a_whole_set(sections, climb) -> None:
    first, second = climb(sections())
    assert first.overrides == {
        "train_dataloader.num_workers": 0,
        "train_dataloader.batch_size": 2,
        "optim_wrapper.accumulative_counts": 2,
    }
    assert second.overrides == {
        "train_dataloader.num_workers": 0,
        "train_dataloader.batch_size": 1,
        "optim_wrapper.accumulative_counts": 4,
    }


def test_batch_times_accumulation_stays(sections, climb) -> None:
    wrapper = {"type": "OptimWrapper", "optimizer": {}, "accumulative_counts": 3}
    for size in range(2, 33):
        for rung in climb(sections(train_dataloader=loader(size, 2), optim_wrapper=wrapper)):
            now = rung.overrides
            batch = now["train_dataloader.batch_size"]
            assert batch * now["optim_wrapper.accumulative_counts"] == size * 3
            assert batch * rung.stretch == size


def test_without_accumulation_nothing_is_accumulated(sections, climb) -> None:
    for rung in climb(sections(), keep_effective_batch=False):
        assert "optim_wrapper.accumulative_counts" not in rung.overrides


# --- decisions -------------------------------------------------------------------------------

TRIED = "no workers and batch 4 -> 2"


def stall(code: str = "DW102"):
    return finding(code, [Evidence(text="silence", source="test")], confidence=1.0)


def history(**changed: object) -> History:
    return History(**{"reruns": 0, "rungs_used": (), "can_change": True, **changed})


@pytest.mark.parametrize("code", STALLS)
def test_the_first_stall_is_rerun_with_the_mildest_remedy(sections, climb, code) -> None:
    rungs = climb(sections())
    decision = decide(stall(code), history(), rungs, Policy())
    assert (decision.action, decision.rung) == (Action.RERUN, rungs[0])
    assert code in decision.reason
    assert TRIED in decision.reason
    assert "acquitted" not in decision.reason


def test_the_second_stall_goes_one_rung_up_and_acquits_the_loader(sections, climb) -> None:
    rungs = climb(sections())
    decision = decide(stall(), history(reruns=1, rungs_used=(TRIED,)), rungs, Policy())
    assert (decision.action, decision.rung) == (Action.RERUN, rungs[1])
    assert "the loader is acquitted" in decision.reason


@pytest.mark.parametrize(
    ("past", "words"),
    [
        ({"reruns": 3}, "all 3 reruns are used up"),
        ({"reruns": 2, "rungs_used": "all"}, "loader is not the cause"),
        ({"can_change": False}, "no mmengine Runner was met"),
        ({"refused": ("train_dataloader.num_workers",)}, "train_dataloader.num_workers"),
        ({"survivors": (41, 42)}, "cannot be ended (pid 41, 42)"),
    ],
    ids=["budget", "nothing left", "no agent", "refused", "survivors"],
)
def test_a_rerun_that_cannot_help_is_given_up(sections, climb, past, words) -> None:
    rungs = climb(sections())
    if past.get("rungs_used") == "all":
        past = {**past, "rungs_used": tuple(rung.name for rung in rungs)}
    decision = decide(stall(), history(**past), rungs, Policy())
    assert (decision.action, decision.rung) == (Action.GIVE_UP, None)
    assert words in decision.reason


def test_without_a_ladder_the_loader_is_not_acquitted_for_nothing() -> None:
    decision = decide(stall(), history(), (), Policy())
    assert decision.action is Action.GIVE_UP
    assert "no remedy is left" in decision.reason
    assert "loader" not in decision.reason


def test_the_same_configuration_is_never_run_twice(sections, climb) -> None:
    rungs = climb(sections())
    used: list[str] = []
    for number in range(10):
        past = history(reruns=number, rungs_used=tuple(used))
        decision = decide(stall(), past, rungs, Policy(max_reruns=100))
        if decision.rung is None:
            break
        assert decision.rung.name not in used
        used.append(decision.rung.name)
    assert used == [rung.name for rung in rungs]


@pytest.mark.parametrize(("on_stall", "action"), [("stop", Action.STOP), ("report", Action.REPORT)])
def test_what_the_user_asked_for_goes_before_everything(sections, climb, on_stall, action) -> None:
    policy = Policy(on_stall=on_stall)
    for past in (history(), history(can_change=False), history(survivors=(1,)), history(reruns=9)):
        decision = decide(stall(), past, climb(sections()), policy)
        assert (decision.action, decision.rung) == (action, None)
        assert "as you asked" in decision.reason


def test_no_rerun_at_all(sections, climb) -> None:
    decision = decide(stall(), history(), climb(sections()), Policy(max_reruns=0))
    assert decision.action is Action.GIVE_UP


@pytest.mark.parametrize("code", ["DW104", "DW115", "DW203", "DW111"])
def test_what_is_no_stall_is_not_acted_on(sections, climb, code) -> None:
    decision = decide(stall(code), history(), climb(sections()), Policy())
    assert (decision.action, decision.rung) == (Action.REPORT, None)
