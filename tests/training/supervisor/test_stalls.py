"""Trainings that hang for real: flagged, explained, stopped and rerun."""

from __future__ import annotations

import os
import re
import signal

import pytest
from dualwatch.collectors.processes import thread_waits

STALL = ("--stall-timeout", "3s")


def rates(console: str) -> dict[int, float]:
    """Iteration, counted over all epochs -> learning rate, as the training logged it."""
    lines = re.findall(r"Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\].*? lr: ([\d.e+-]+)", console)
    return {(int(e) - 1) * int(n) + int(i): float(rate) for e, i, n, rate in lines}


def asked_rate(old_iterations: float) -> float:
    """What ``tiny_cfg.py`` asks for: from a tenth to all in eleven of its own iterations."""
    return 0.01 * min(1.0, 0.1 + 0.9 * old_iterations / 11)


def test_a_loader_deadlock_is_named_and_cured_in_place(train):
    run = train(*STALL, train_dataloader__dataset__type="HangsInSecondEpoch")

    assert run.finish() == 0, run.err
    assert run.summary["outcome"] == "completed"
    (attempt,) = run.summary["attempts"]
    assert run.codes(0) == ["DW111", "DW102"]
    assert list((run.folder / "attempt-0" / "stacks").glob("*.txt"))
    assert (attempt["rescued"], attempt["lost_iterations"]) == (1, 0)
    assert (attempt["first_iteration"], attempt["last_iteration"]) == (1, 24)
    assert attempt["overrides"] == {}
    assert "loader replaced" in run.err
    assert "loader replaced once" in run.out
    assert run.left_alive() == []


@pytest.mark.skipif(not thread_waits.are_shown(), reason="nothing can be proven here")
def test_a_proven_deadlock_does_not_wait_for_the_default_timeout(train):
    run = train(train_dataloader__dataset__type="HangsInSecondEpoch")

    assert run.finish(deadline=900) == 0, run.err
    if not any(event.get("waits") for event in run.events()):
        pytest.skip("this system does not show what the threads of others wait for")
    (attempt,) = run.summary["attempts"]
    proofs = {f["code"]: f["proof"] for f in attempt["findings"] if f["code"][:3] == "DW1"}
    assert proofs == {"DW111": "endless", "DW102": "endless"}
    assert (attempt["rescued"], attempt["lost_iterations"]) == (1, 0)


def test_without_rescue_it_is_rerun_from_the_newest_checkpoint(train):
    run = train(*STALL, "--no-rescue", train_dataloader__dataset__type="HangsInSecondEpoch")

    assert run.finish() == 0, run.err
    summary = run.summary
    assert summary["outcome"] == "completed"
    first, second = summary["attempts"]
    assert run.codes(0) == ["DW111", "DW102"]
    assert first["signal"] == "SIGTERM"
    wanted = {
        "train_dataloader.num_workers": 0,
        "train_dataloader.persistent_workers": False,
        "train_dataloader.batch_size": 2,
        "optim_wrapper.accumulative_counts": 2,
    }
    assert wanted.items() <= second["overrides"].items()
    assert second["resumed_from"].endswith("epoch_1.pth")
    assert (second["first_iteration"], second["last_iteration"]) == (17, 48)
    assert first["lost_iterations"] == first["last_iteration"] - 8
    assert run.codes(1) == []
    assert run.left_alive() == []
    console = (run.folder / "attempt-1" / "console.log").read_text()
    seen = rates(console)
    assert min(seen) > 16
    for iteration, rate in seen.items():
        # Two iterations now are one of before: the same rate over the samples seen.
        assert rate == pytest.approx(asked_rate((iteration - 1) / 2), rel=0.01), iteration


def test_spawned_workers_are_followed_as_well(train):
    run = train(
        *STALL,
        env_cfg__mp_cfg__mp_start_method="spawn",
        train_dataloader__dataset__start_method="spawn",
        train_dataloader__dataset__hang_at=18,
        train_cfg__max_epochs=1,
    )

    assert run.finish() == 0, run.err
    assert run.codes(0) == ["DW111", "DW102"]
    (attempt,) = run.summary["attempts"]
    assert attempt["rescued"] == 1
    assert run.left_alive() == []


def test_a_loader_that_hangs_without_workers_is_acquitted_and_given_up(train):
    hang = {"hang_at": 18, "hang_in": "any"}
    run = train(*STALL, **{f"train_dataloader__dataset__{k}": v for k, v in hang.items()})

    assert run.finish() == 4, run.err
    summary = run.summary
    assert summary["outcome"] == "gave-up"
    first, second = summary["attempts"]
    # In place first, then one rerun from the rescue checkpoint: it stands at the same sample.
    assert (first["rescued"], first["last_iteration"], first["lost_iterations"]) == (1, 4, 0)
    assert second["overrides"]["train_dataloader.batch_size"] == 2
    assert second["resumed_from"].endswith("rescue_iter_4.pth")
    assert (second["last_iteration"], second["lost_iterations"]) == (9, 0)
    assert "the loader is not the cause" in run.out
    (cause,) = [f for f in second["findings"] if f["code"] == "DW112"]
    assert any("index 18" in evidence["text"] for evidence in cause["evidence"])
    assert run.left_alive() == []


def test_a_dataset_that_is_never_built_is_not_built_again(train):
    run = train(*STALL, train_dataloader__dataset__hang_init=True)

    assert run.finish() == 4, run.err
    assert run.codes(0) == ["DW113", "DW101"]
    (attempt,) = run.summary["attempts"]
    assert attempt["last_iteration"] is None
    assert "DW113" in run.out.splitlines()[-1]


def test_a_validation_that_hangs_is_cured_in_place(train):
    run = train(*STALL, val_dataloader__dataset__hang_at=2, val_dataloader__num_workers=1)

    assert run.finish() == 0, run.err
    assert "DW103" in run.codes(0)
    (attempt,) = run.summary["attempts"]
    assert (attempt["rescued"], attempt["last_iteration"]) == (1, 24)
    assert run.err.count("val epoch") == 3


def test_a_step_that_spins_is_stalled_by_its_stack(train):
    run = train(*STALL, "--on-stall", "stop", model__spin_at=7, model__pause=0.2)

    assert run.finish() == 4, run.err
    assert run.codes(0) == ["DW114", "DW102"]
    (finding,) = [f for f in run.summary["attempts"][0]["findings"] if f["code"] == "DW102"]
    assert any("same stack" in e["text"] for e in finding["evidence"])


def test_a_worker_that_loops_in_the_dataset_is_named(train):
    run = train(*STALL, "--on-stall", "stop", train_dataloader__dataset__spin_at=18)

    assert run.finish() == 4, run.err
    assert run.codes(0) == ["DW112", "DW102"]
    (cause,) = [f for f in run.summary["attempts"][0]["findings"] if f["code"] == "DW112"]
    assert "1 of 2 loader workers" in cause["evidence"][0]["text"]
    assert "TinyDataset.__getitem__ (tiny.py:" in cause["evidence"][1]["text"]


def test_a_stall_is_only_reported_when_asked(train):
    run = train(*STALL, "--on-stall", "report", train_dataloader__dataset__hang_at=18)
    run.wait_for(lambda f: f["kind"] == "decided" and f["action"] == "report")

    assert run.process.poll() is None
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 130
    assert run.left_alive() == []
    withheld = run.summary["would_have"]
    assert {entry["decision"] for entry in withheld} <= {"replace", "rerun"}
    assert withheld[-1]["code"] in ("DW102", "DW111")
    assert withheld[-1]["what_followed"] == "stopped"


def test_a_plain_loop_that_hangs_is_given_up_at_once(train):
    run = train(*STALL, "--", "--hang-at", "3", script="plain_loop.py")

    assert run.finish() == 4, run.err
    assert len(run.summary["attempts"]) == 1
    assert "no training loop" in run.out


def test_a_stopped_training_is_told_to_go_on(train):
    run = train(*STALL, model__pause=0.1)
    started = run.iterating()
    os.kill(started["pid"], signal.SIGSTOP)
    run.wait_for(lambda f: f["kind"] == "decided" and f["action"] == "wake")

    assert run.finish() == 0, run.err
    assert len(run.summary["attempts"]) == 1
    assert run.summary["attempts"][0]["last_iteration"] == 24


def test_a_training_that_is_stopped_again_is_left_alone(train):
    run = train(*STALL, model__pause=0.2)
    started = run.iterating()
    os.kill(started["pid"], signal.SIGSTOP)
    woken = run.wait_for(lambda f: f["kind"] == "decided" and f["action"] == "wake")
    # It is decided before it is done: only one that moves again can be stopped again.
    run.wait_for(lambda f: f["kind"] == "pulse" and f["at"] > woken["at"])
    os.kill(started["pid"], signal.SIGSTOP)
    run.wait_for(lambda f: f["kind"] == "decided" and f["action"] == "report")
    os.kill(started["pid"], signal.SIGCONT)

    assert run.finish() == 0, run.err
    assert len(run.summary["attempts"]) == 1


def test_the_ranks_of_torchrun_are_cured_in_place_one_after_the_other(train):
    run = train(*STALL, "--nproc-per-node", "2", train_dataloader__dataset__hang_at=18)

    assert run.finish() == 0, run.err
    (attempt,) = run.summary["attempts"]
    assert attempt["rescued"] == 2
    assert attempt["last_iteration"] == 24
    ranks = {event["rank"] for event in run.events() if event["kind"] == "pulse"}
    assert ranks == {0, 1}
    assert run.left_alive() == []


def test_the_ranks_of_torchrun_are_stopped_and_rerun_together(train):
    options = {"train_dataloader__dataset__hang_at": 18}
    run = train(*STALL, "--no-rescue", "--nproc-per-node", "2", **options)

    assert run.finish() == 0, run.err
    first, second = run.summary["attempts"]
    assert "DW102" in run.codes(0)
    assert second["overrides"]["train_dataloader.num_workers"] == 0
    ranks = {event["rank"] for event in run.events() if event["kind"] == "pulse"}
    assert ranks == {0, 1}
    assert first["last_iteration"] < second["last_iteration"]
    assert run.left_alive() == []
