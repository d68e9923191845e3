"""The decision for each cause: what is tried, in which order, and when it is given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from dualwatch.events import Action, Circumstance, Decision, Finding, Proof, Severity, TriedStep
from dualwatch.frameworks.base import TrainingSpec
from dualwatch.frameworks.mmengine.config.spec import spec_of
from dualwatch.protocol import Phase
from dualwatch.protocol.environment import NETWORK_LIMIT, OWN_BUILDS
from dualwatch.remedies.decide import (
    STALLS,
    Policy,
    RemedyHistory,
    decide_death,
    decide_stall,
    escalations,
)
from dualwatch.remedies.overrides import Overrides, overrides_of
from msgspec import structs

Decide = Callable[..., Decision | None]

FIRST, SECOND = "no workers and batch 4 -> 2", "no workers and batch 4 -> 1"


def climb(
    decide: Decide, finding: Finding, spec: TrainingSpec, policy: Policy, phase: str = ""
) -> tuple[list[str], Decision | None]:
    """What is tried when the same thing happens again and again, and the last answer."""
    history = RemedyHistory(phase=phase)
    names: list[str] = []
    for _ in range(20):
        decision = decide([finding], history, spec, policy)
        if decision is None or decision.step is None:
            return names, decision
        step = decision.step
        names.append(step.name)
        history = replace(
            history,
            tried=(*history.tried, TriedStep(cause=decision.cause, step=step.name)),
            overrides=overrides_of(step.overrides, spec, step.environment),
        )
    raise AssertionError(f"never given up: {names}")


PATIENT = Policy(max_reruns=100)


@pytest.mark.parametrize(
    ("proof", "allowed", "trials"),
    [(None, "fresh", (None, 1)), (Proof.CYCLE, "fresh", (1, 1)), (None, "none", ())],
)
def test_the_fresh_workers_that_a_cause_leaves_open(spec, found, proof, allowed, trials) -> None:
    history = RemedyHistory(can_replace=True, phase=Phase.WAITING)
    cause = structs.replace(found("DW111"), proof=proof)
    decision = decide_stall([cause], history, spec(), Policy(after_cure=allowed))
    assert decision.action is Action.REPLACE
    assert decision.fresh == trials


@pytest.mark.parametrize(("code", "decide"), [("DW102", decide_stall), ("DW301", decide_death)])
def test_a_script_is_rerun_without_workers_unless_that_throws_away_what_it_trained(
    found, code: str, decide: Decide
) -> None:
    script = TrainingSpec(framework="pytorch")

    names, last = climb(decide, found(code), script, PATIENT)
    trained = decide([found(code)], RemedyHistory(thrown_away=120), script, PATIENT)

    assert names == ["no workers"]
    assert last is not None
    assert last.action is Action.GIVE_UP
    assert trained is not None
    assert trained.action is Action.GIVE_UP
    assert "120" in trained.reason


# --- which remedy ----------------------------------------------------------------------------


@pytest.mark.parametrize("code", [*STALLS, "DW111"])
def test_a_stall_loses_its_workers_and_half_the_batch_then_all_but_one(spec, found, code) -> None:
    names, last = climb(decide_stall, found(code), spec(), PATIENT)
    assert names == [FIRST, SECOND]
    assert last.action is Action.GIVE_UP
    assert "no remedy is left" in last.reason
    assert "it stalled again without workers, so the loader is not the cause" in last.reason


@pytest.mark.parametrize("code", ["DW112", "DW114", "DW118"])
def test_a_place_that_was_seen_gets_one_try(spec, found, code) -> None:
    names, last = climb(decide_stall, found(code), spec(), PATIENT)
    assert names == [FIRST]
    assert (last.action, last.cause) == (Action.GIVE_UP, code)


@pytest.mark.parametrize(("code", "variable"), [("DW121", OWN_BUILDS), ("DW122", NETWORK_LIMIT)])
def test_a_wait_outside_of_the_training_gets_one_rerun_in_another_environment(
    spec, found, code, variable
) -> None:
    decision = decide_stall([found(code)], RemedyHistory(can_change=False), spec(), PATIENT)
    assert (decision.action, decision.step.changes) == (Action.RERUN, ())
    assert decision.step.environment.keys() == {variable}

    names, last = climb(decide_stall, found(code), spec(), PATIENT)
    assert len(names) == 1
    assert (last.action, last.cause) == (Action.GIVE_UP, code)


def test_workers_that_do_not_end_are_ended_in_place_where_an_agent_can(spec, found) -> None:
    cause = [found("DW123"), found("DW102")]
    here = RemedyHistory(can_end_workers=True, can_replace=True, phase=Phase.WAITING)

    assert decide_stall(cause, here, spec(), Policy()).action is Action.END_WORKERS
    elsewhere = replace(here, can_end_workers=False)
    decision = decide_stall(cause, elsewhere, spec(), Policy())
    assert (decision.action, decision.step.name) == (Action.RERUN, "no workers")


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (Circumstance.WRITER_GONE, Action.DROP_LOGS),
        (Circumstance.SERVICE_SILENT, Action.RERUN),
        (Circumstance.WRITER_BLOCKED, Action.RERUN),
    ],
)
def test_a_writer_that_is_gone_is_given_up_in_place(spec, found, what, expected) -> None:
    cause = structs.replace(found("DW125"), circumstance=what)
    here = RemedyHistory(can_drop_logs=True, phase=Phase.STEP)
    decision = decide_stall([cause, found("DW102")], here, spec(), Policy())
    assert decision.action is expected
    if expected is Action.RERUN:
        assert decision.step.environment == {"WANDB_MODE": "offline"}


@pytest.mark.parametrize(
    ("code", "proof"), [("DW112", Proof.LOOPS), ("DW113", None), ("DW116", None), ("DW403", None)]
)
def test_what_no_rerun_can_help_is_given_up_at_once(spec, found, code, proof) -> None:
    findings = [found(code, proof=proof), found("DW102")]
    past = RemedyHistory(can_replace=True, phase=Phase.WAITING)
    decision = decide_stall(findings, past, spec(), Policy())
    assert (decision.action, decision.cause, decision.step) == (Action.GIVE_UP, code, None)
    assert decision.reason.startswith(f"{code} {findings[0].name}: ")


def test_a_worker_that_sleeps_in_the_dataset_needs_workers_to_be_tried(spec, found) -> None:
    config = spec(train_dataloader={"batch_size": 4, "num_workers": 0})
    decision = decide_stall([found("DW112")], RemedyHistory(), config, Policy())
    assert decision.action is Action.GIVE_UP


@pytest.mark.parametrize(
    ("confidence", "severity"), [(0.4, None), (0.9, Severity.WARNING)], ids=["doubtful", "mild"]
)
def test_a_cause_that_is_not_proven_is_answered_as_a_plain_stall(
    spec, found, confidence, severity
) -> None:
    doubtful = found("DW113", confidence=confidence, severity=severity)
    decision = decide_stall([doubtful, found("DW102")], RemedyHistory(), spec(), Policy())
    assert (decision.action, decision.cause) == (Action.RERUN, "DW102")
    assert decision.step.name == FIRST


@pytest.mark.parametrize(
    ("code", "workers", "expected"),
    [
        ("DW301", 8, ["workers 8 -> 4", "no workers"]),
        ("DW302", 3, ["workers 3 -> 1", "no workers"]),
        ("DW301", 2, ["workers 2 -> 1", "no workers"]),
        ("DW301", 1, ["no workers"]),
        ("DW303", 8, ["no workers"]),
        ("DW304", 8, ["no workers"]),
        ("DW305", 8, ["no workers"]),
        ("DW401", 8, ["batch 4 -> 2", "batch 4 -> 1"]),
        ("DW501", 8, ["batch 4 -> 2", "batch 4 -> 1"]),
        ("DW503", 8, ["UTF-8 output"]),
        ("DW605", 8, ["the checkpoint before", "the checkpoint before"]),
    ],
)
def test_a_death_is_answered_by_its_cause_until_nothing_is_left(
    spec, found, code, workers, expected
) -> None:
    config = spec(train_dataloader={"batch_size": 4, "num_workers": workers})
    names, last = climb(decide_death, found(code), config, PATIENT, phase=Phase.STEP)
    assert names == expected
    assert (last.action, last.cause) == (Action.GIVE_UP, code)
    assert "no remedy is left to try" in last.reason


@pytest.mark.parametrize(
    "code",
    [
        "DW306",
        "DW307",
        "DW402",
        "DW502",
        "DW602",
        "DW603",
        "DW604",
        "DW606",
        "DW203",
        "DW102",
        "DW311",
        "DW404",
        "DW801",
    ],
)
def test_a_death_that_would_come_again_has_no_remedy(spec, found, code) -> None:
    finding = found(code, severity=Severity.CRITICAL)
    assert decide_death([finding], RemedyHistory(), spec(), Policy()) is None


def test_a_lost_gpu_is_given_up_also_when_the_training_died_of_it(spec, found) -> None:
    decision = decide_death([found("DW403"), found("DW606")], RemedyHistory(), spec(), Policy())
    assert (decision.action, decision.cause) == (Action.GIVE_UP, "DW403")


def test_the_likeliest_error_is_answered_and_not_what_was_wrong_from_the_start(spec, found) -> None:
    standing = [found("DW603"), found("DW401"), found("DW301")]
    assert decide_death(standing, RemedyHistory(), spec(), Policy()).cause == "DW401"
    data = [found("DW306"), found("DW401")]
    assert decide_death(data, RemedyHistory(), spec(), Policy()) is None
    assert decide_death([found("DW401", confidence=0.4)], RemedyHistory(), spec(), Policy()) is None


@pytest.mark.parametrize("phase", [Phase.VAL_WAITING, Phase.VAL_STEP, Phase.METRICS])
def test_memory_in_a_validation_leaves_the_training_batch_alone(spec, found, phase) -> None:
    config = spec(val_dataloader={"batch_size": 3, "num_workers": 1})
    decision = decide_death([found("DW401")], RemedyHistory(phase=phase), config, Policy())
    assert decision.step.overrides == {"val_dataloader.batch_size": 1}
    assert decision.step.stretch == 1
    now = replace(
        RemedyHistory(phase=phase, tried=(TriedStep(cause="DW401", step=decision.step.name),)),
        overrides=overrides_of(decision.step.overrides, config, {}),
    )
    assert decide_death([found("DW401")], now, config, Policy()).action is Action.GIVE_UP


@pytest.mark.parametrize("loader", [{"batch_size": 1}, {}, None], ids=str)
def test_a_validation_with_single_images_has_no_remedy(spec, found, loader) -> None:
    past = RemedyHistory(phase=Phase.VAL_STEP)
    config = spec(val_dataloader=loader)
    assert decide_death([found("DW401")], past, config, Policy()) is None


def test_a_worker_killed_in_a_validation_halves_the_workers_of_the_validation(spec, found) -> None:
    config = spec(
        train_dataloader={"batch_size": 4, "num_workers": 8}, val_dataloader={"num_workers": 4}
    )
    past = RemedyHistory(phase=Phase.VAL_WAITING)
    decision = decide_death([found("DW301")], past, config, Policy())
    assert decision.step.overrides == {
        "train_dataloader.num_workers": 2,
        "val_dataloader.num_workers": 2,
    }


# --- one after another -----------------------------------------------------------------------


def test_what_one_cause_taught_is_kept_when_another_comes(spec, found) -> None:
    stalled = decide_stall([found("DW111")], RemedyHistory(), spec(), Policy())
    now = RemedyHistory(
        tried=(TriedStep(cause="DW111", step=stalled.step.name),),
        overrides=overrides_of(stalled.step.overrides, spec(), {}),
        phase=Phase.STEP,
    )
    decision = decide_death([found("DW401")], now, spec(), Policy())
    assert decision.step.name == SECOND
    assert decision.step.overrides["optim_wrapper.accumulative_counts"] == 4
    printed = decide_death([found("DW503")], now, spec(), Policy())
    assert printed.step.overrides == stalled.step.overrides
    assert printed.step.environment["PYTHONUTF8"] == "1"


def test_an_older_checkpoint_is_a_matter_of_one_start(spec, found) -> None:
    now = RemedyHistory(overrides=Overrides(older_checkpoint=True), phase=Phase.STEP)
    decision = decide_death([found("DW401")], now, spec(), Policy())
    assert not decision.step.older_checkpoint


def test_a_stall_after_lack_of_memory_halves_no_batch_twice(spec, found) -> None:
    past = RemedyHistory(
        overrides=Overrides(batch=2), tried=(TriedStep(cause="DW401", step="batch 4 -> 2"),)
    )
    decision = decide_stall([found("DW102")], past, spec(), Policy())
    assert decision.step.name == FIRST
    assert "acquitted" not in decision.reason


def test_the_second_stall_rules_out_the_loader(spec, found) -> None:
    past = RemedyHistory(
        tried=(TriedStep(cause="DW102", step=FIRST),), overrides=Overrides(workers=0, batch=2)
    )
    decision = decide_stall([found("DW102")], past, spec(), Policy())
    assert (decision.action, decision.step.name) == (Action.RERUN, SECOND)
    assert "the loader is not the cause" in decision.reason


def test_a_training_that_never_had_workers_rules_out_no_loader(spec, found) -> None:
    config = spec(train_dataloader={"batch_size": 4, "num_workers": 0})
    names, last = climb(decide_stall, found("DW102"), config, PATIENT)
    assert names == ["batch 4 -> 2", "batch 4 -> 1"]
    assert "loader" not in last.reason


def test_without_a_configuration_the_loader_is_not_ruled_out(found) -> None:
    decision = decide_stall([found("DW102")], RemedyHistory(), TrainingSpec(), Policy())
    assert decision.action is Action.GIVE_UP
    assert "no remedy is left" in decision.reason
    assert "loader" not in decision.reason


def test_a_rerun_waits_the_longer_the_more_there_were(spec, found) -> None:
    config = spec(train_dataloader={"batch_size": 64, "num_workers": 2})
    pauses = []
    for count in range(6):
        past = RemedyHistory(tried=(TriedStep(cause="DW301", step="x"),) * count, phase=Phase.STEP)
        pauses.append(decide_death([found("DW401")], past, config, PATIENT).pause)
    assert pauses == [0, 5, 15, 45, 120, 120]


# --- the floor -------------------------------------------------------------------------------


def test_the_floor_stops_a_stalls_ladder_and_is_named(spec, found) -> None:
    names, last = climb(decide_stall, found("DW102"), spec(), replace(PATIENT, min_batch=2))
    assert names == [FIRST]
    assert "batch 2 is the least that this model's loss can learn from" in last.reason


def test_the_floor_stops_halving_for_memory(spec, found) -> None:
    policy = replace(PATIENT, min_batch=3)
    config = spec(train_dataloader={"batch_size": 12, "num_workers": 2})
    names, last = climb(decide_death, found("DW401"), config, policy, phase=Phase.STEP)
    assert names == ["batch 12 -> 6", "batch 12 -> 3"]
    assert "batch 3 is the least that this model's loss can learn from" in last.reason


def test_a_batch_at_the_floor_is_given_up_with_the_floor_as_the_reason(spec, found) -> None:
    policy = Policy(min_batch=4)
    decision = decide_death([found("DW401")], RemedyHistory(phase=Phase.STEP), spec(), policy)
    assert decision.action is Action.GIVE_UP
    assert "batch 4 is the least" in decision.reason


def test_a_batch_of_one_that_does_not_fit_is_an_error_of_the_training(spec, found) -> None:
    config = spec(train_dataloader={"batch_size": 1, "num_workers": 2})
    past = RemedyHistory(phase=Phase.STEP)
    assert decide_death([found("DW401")], past, config, Policy()) is None


# --- in the running training -----------------------------------------------------------------


@pytest.mark.parametrize("code", ["DW101", "DW102", "DW103", "DW111", "DW118"])
@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.VAL_WAITING])
def test_a_loader_that_can_be_replaced_is_replaced_first(spec, found, code, phase) -> None:
    past = RemedyHistory(can_replace=True, phase=phase)
    decision = decide_stall([found(code)], past, spec(), Policy())
    assert (decision.action, decision.step, decision.cause) == (Action.REPLACE, None, code)


def test_replacing_needs_no_rerun_to_be_left(spec, found) -> None:
    past = RemedyHistory(can_replace=True, phase=Phase.WAITING)
    decision = decide_stall([found("DW111")], past, spec(), Policy(max_reruns=0))
    assert decision.action is Action.REPLACE


@pytest.mark.parametrize(
    ("code", "past", "policy"),
    [
        ("DW111", {"can_replace": False}, {}),
        ("DW111", {}, {"rescue": False}),
        ("DW111", {"phase": Phase.STEP}, {}),
        ("DW105", {"phase": Phase.SAVING}, {}),
        ("DW111", {"overrides": Overrides(workers=0, batch=2)}, {}),
        ("DW112", {}, {}),
        ("DW114", {}, {}),
    ],
    ids=["cannot", "not wanted", "a step", "saving", "no workers", "dataset", "main"],
)
def test_where_replacing_cannot_help_the_training_is_rerun(spec, found, code, past, policy) -> None:
    history = RemedyHistory(**{"can_replace": True, "phase": Phase.WAITING, **past})
    decision = decide_stall([found(code)], history, spec(), Policy(**policy))
    assert decision.action is Action.RERUN


def test_a_stopped_process_is_woken_once(spec, found) -> None:
    stopped = [found("DW115", proof=Proof.STOPPED)]
    first = decide_stall(stopped, RemedyHistory(), spec(), Policy())
    assert (first.action, first.cause) == (Action.WAKE, "DW115")
    again = decide_stall(stopped, RemedyHistory(woken=True), spec(), Policy())
    assert again.action is Action.REPORT


def test_a_process_under_a_debugger_is_never_woken(spec, found) -> None:
    decision = decide_stall([found("DW115", proof=Proof.TRACED)], RemedyHistory(), spec(), Policy())
    assert decision.action is Action.REPORT


@pytest.mark.parametrize("on_stall", ["stop", "report"])
def test_a_stopped_process_is_no_stall(spec, found, on_stall) -> None:
    policy = Policy(on_stall=on_stall)
    decision = decide_stall([found("DW115", proof=Proof.STOPPED)], RemedyHistory(), spec(), policy)
    assert decision.action is Action.REPORT


def test_a_stall_after_waking_is_a_stall(spec, found) -> None:
    findings = [found("DW102"), found("DW115", proof=Proof.STOPPED)]
    decision = decide_stall(findings, RemedyHistory(woken=True), spec(), Policy())
    assert (decision.action, decision.cause) == (Action.RERUN, "DW102")


# --- what forbids a rerun --------------------------------------------------------------------

TRIED = tuple(TriedStep(cause=f"DW{n}", step=f"step {n}") for n in range(3))


@pytest.mark.parametrize("decide", [decide_stall, decide_death])
@pytest.mark.parametrize(
    ("past", "words"),
    [
        ({"tried": TRIED}, "all 3 reruns are used up"),
        ({"refused": ("train_dataloader.num_workers",)}, "train_dataloader.num_workers"),
        ({"survivors": (41, 42)}, "cannot be ended (pid 41, 42)"),
    ],
    ids=["budget", "refused", "survivors"],
)
def test_a_rerun_that_cannot_help_is_given_up(spec, found, decide, past, words) -> None:
    finding = found("DW102") if decide is decide_stall else found("DW301")
    decision = decide([finding], RemedyHistory(**past), spec(), Policy())
    assert (decision.action, decision.step) == (Action.GIVE_UP, None)
    assert decision.cause == finding.code
    assert words in decision.reason


def test_without_a_runner_a_stall_is_given_up_and_a_death_is_an_error(spec, found) -> None:
    past = RemedyHistory(can_change=False)
    decision = decide_stall([found("DW102")], past, spec(), Policy())
    assert decision.action is Action.GIVE_UP
    assert "no training loop" in decision.reason
    assert decide_death([found("DW401")], past, spec(), Policy()) is None


def test_an_environment_needs_no_runner(found) -> None:
    past = RemedyHistory(can_change=False)
    decision = decide_death([found("DW503")], past, TrainingSpec(), Policy())
    assert decision.action is Action.RERUN
    assert decision.step.environment == {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}
    assert decision.step.changes == ()


@pytest.mark.parametrize(("on_stall", "action"), [("stop", Action.STOP), ("report", Action.REPORT)])
def test_what_the_user_asked_for_goes_before_everything(spec, found, on_stall, action) -> None:
    policy = Policy(on_stall=on_stall)
    for past in (
        RemedyHistory(can_replace=True, phase=Phase.WAITING),
        RemedyHistory(can_change=False),
        RemedyHistory(survivors=(1,)),
        RemedyHistory(tried=TRIED),
    ):
        decision = decide_stall([found("DW102")], past, spec(), policy)
        assert (decision.action, decision.step, decision.cause) == (action, None, "DW102")
        assert "as you asked" in decision.reason
        assert decide_death([found("DW401")], past, spec(), policy) is None


def test_no_rerun_at_all(spec, found) -> None:
    policy = Policy(max_reruns=0)
    decision = decide_stall([found("DW102")], RemedyHistory(), spec(), policy)
    assert decision.action is Action.GIVE_UP
    assert "--max-reruns 0" in decision.reason
    assert decide_death([found("DW401")], RemedyHistory(), spec(), policy) is None


@pytest.mark.parametrize("code", ["DW104", "DW203", "DW401"])
def test_what_is_no_stall_is_not_acted_on(spec, found, code) -> None:
    decision = decide_stall([found(code)], RemedyHistory(), spec(), Policy())
    assert (decision.action, decision.step) == (Action.REPORT, None)


# --- for people ------------------------------------------------------------------------------


def test_every_ladder_is_shown(spec) -> None:
    config = spec(
        train_dataloader={"batch_size": 8, "num_workers": 4},
        val_dataloader={"batch_size": 2, "num_workers": 0},
    )
    shown = {
        name: [step.name for step in steps] for name, steps in escalations(config, Policy()).items()
    }
    assert shown == {
        "stall": ["no workers and batch 8 -> 4", "no workers and batch 8 -> 1"],
        "worker-killed": ["workers 4 -> 2", "no workers"],
        "worker-failed": ["no workers"],
        "out-of-memory": ["batch 8 -> 4", "batch 8 -> 2", "batch 8 -> 1"],
        "out-of-memory in validation": ["validation batch 2 -> 1"],
        "console-encoding": ["UTF-8 output"],
        "resume-blocked": ["the checkpoint before", "the checkpoint before"],
    }


@pytest.mark.parametrize("nothing", [{}, {"train_dataloader": None}, {"train_dataloader": []}])
def test_a_configuration_that_says_nothing_has_no_ladder_of_changes(nothing) -> None:
    assert set(escalations(spec_of(nothing), Policy())) == {"console-encoding", "resume-blocked"}


# --- reported only ---------------------------------------------------------------------------


def test_what_is_reported_only_holds_what_would_be_done(spec, found) -> None:
    findings, past = [found("DW111"), found("DW102")], RemedyHistory()
    reported = decide_stall(findings, past, spec(), Policy(on_stall="report"))
    assert (reported.action, reported.cause, reported.step) == (Action.REPORT, "DW111", None)
    assert reported.withheld == decide_stall(findings, past, spec(), Policy())
    assert reported.withheld.action is Action.RERUN


def test_what_needs_no_action_withholds_none(spec, found) -> None:
    reported = decide_stall([found("DW104")], RemedyHistory(), spec(), Policy(on_stall="report"))
    assert (reported.action, reported.withheld) == (Action.REPORT, None)


@pytest.mark.parametrize(("known", "shown"), [((0.17, 0.49), True), (None, False)])
def test_the_cost_of_a_rerun_without_workers_is_beside_it(spec, found, known, shown) -> None:
    history = RemedyHistory(phase=Phase.STEP, iteration_s=known)
    decision = decide_stall([found("DW111")], history, spec(), PATIENT)
    assert decision.action is Action.RERUN
    assert ("0.49" in decision.reason) is shown
    again = replace(history, overrides=Overrides(workers=0))
    assert "0.49" not in decide_stall([found("DW111")], again, spec(), PATIENT).reason
