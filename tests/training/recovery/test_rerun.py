"""Where the process must go, a rescue checkpoint is saved and the rerun takes up at the sample."""

from __future__ import annotations

import signal

import pytest
from dualwatch.events import CommandAnswered, Decided

from tests.training.recovery import accounting
from tests.training.recovery.cases import (
    LAST,
    MIDDLE,
    WHOLE,
    assert_rescued,
    assert_same_weights,
    hanging,
)

RATE = 0.01
"""Relative deviation of the learning rate at most."""


CASES = {
    "the replacement hangs as well": hanging({"at": LAST, "where": "any", "times": 2}),
    "spawn": hanging({"at": MIDDLE, "where": "any", "times": 2, "skip": 1}, start_method="spawn"),
    "batch sampler and collate of one's own": hanging(
        {"at": LAST, "where": "any", "times": 2},
        train_dataloader__batch_sampler={"type": "SortedBatches", "drop_last": False},
        train_dataloader__collate_fn={"_delete_": True, "type": "lists"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_sample_is_learnt_from_once_over_both_attempts(case, scene, undisturbed):
    rescued = scene(settings=CASES[case])

    assert rescued.train() == 0, rescued.last_words()
    assert_rescued(rescued)
    second = rescued.summary["attempts"][1]["overrides"]
    assert second["train_dataloader.batch_size"] == 2
    assert second["optim_wrapper.accumulative_counts"] == 2
    quiet = undisturbed(settings=CASES[case])
    assert accounting.wrong(rescued.consumed, WHOLE, epochs=2) == []
    assert accounting.relearnt(rescued.consumed) == 0
    assert accounting.farthest_rate(rescued.consumed, quiet.consumed) < RATE
    assert len(accounting.processes(rescued.consumed)) == 2


def test_pictures_sorted_by_their_form_are_all_there(scene, undisturbed):
    pytest.importorskip("mmdet")
    settings = hanging(
        {"at": LAST, "where": "any", "times": 2},
        custom_imports={"imports": ["mmdet.datasets.samplers"]},
        train_dataloader__batch_sampler={"type": "mmdet.AspectRatioBatchSampler"},
    )
    rescued = scene(settings=settings)

    assert rescued.train() == 0, rescued.last_words()
    assert_rescued(rescued)
    assert accounting.wrong(rescued.consumed, WHOLE, epochs=2) == []


@pytest.mark.parametrize("sampler", ["InfiniteSampler", "DefaultSampler"])
def test_a_training_that_counts_iterations_takes_up_at_the_sample(sampler, scene, undisturbed):
    settings = hanging(
        # In the second pass over the data.
        {"at": MIDDLE, "where": "any", "times": 2, "skip": 1},
        train_dataloader__sampler={"_delete_": True, "type": sampler, "shuffle": True},
    )
    rescued = scene(config="iterations_cfg.py", settings=settings)

    assert rescued.train() == 0, rescued.last_words()
    assert_rescued(rescued)
    quiet = undisturbed(config="iterations_cfg.py", settings=settings)
    assert accounting.passes(rescued.consumed, 64) == [WHOLE, WHOLE]
    assert accounting.order(rescued.consumed) == accounting.order(quiet.consumed)
    assert accounting.farthest_rate(rescued.consumed, quiet.consumed) < RATE


def test_first_in_place_then_by_a_rerun(scene, undisturbed):
    settings = hanging(
        {"at": MIDDLE},
        {"at": LAST, "where": "main", "skip": 1},
        train_cfg__max_epochs=3,
    )
    # The main process loads samples only after the first fault: the second one hangs when it is
    # loaded there for the second time, an epoch later.
    rescued = scene(settings=settings)

    assert rescued.train() == 0, rescued.last_words()
    assert_rescued(rescued)
    first, second = rescued.summary["attempts"]
    assert (first["rescued"], second["rescued"]) == (1, 0)
    assert [f.action for f in rescued.of(Decided)] == ["replace", "rerun"]
    quiet = undisturbed(settings=settings)
    assert accounting.wrong(rescued.consumed, WHOLE, epochs=3) == []
    assert accounting.farthest_rate(rescued.consumed, quiet.consumed) < RATE


def test_what_is_given_up_is_kept_and_can_be_resumed(scene, undisturbed):
    settings = hanging(
        {"at": MIDDLE, "where": "main"},
        train_dataloader__num_workers=0,
        train_dataloader__persistent_workers=False,
    )
    kept = scene(settings=settings)

    # No worker is at fault and none can be taken away: a rerun would only come to the same sample.
    assert kept.train() == 4, kept.last_words()
    assert kept.summary["attempts"][0]["lost_iterations"] == 0
    assert kept.train("--resume") == 0, kept.last_words()
    quiet = undisturbed(settings=settings)
    assert accounting.order(kept.consumed) == accounting.order(quiet.consumed)
    assert_same_weights(kept, quiet)


def test_two_reruns_in_a_row_after_killed_workers(scene, undisturbed):
    settings = hanging(model__pause=0.2)
    killed = scene(settings=settings)
    killed.start()
    for attempt, iteration in ((0, 4), (1, 9)):
        started = killed.iterating(iteration, attempt=attempt)
        killed.a_worker(started.pid).kill()

    assert killed.finish() == 0, killed.last_words()
    assert_rescued(killed, attempts=3)
    quiet = undisturbed(settings=settings)
    assert accounting.order(killed.consumed) == accounting.order(quiet.consumed)
    assert_same_weights(killed, quiet)


def test_what_was_interrupted_is_resumed_at_the_sample(scene, undisturbed):
    settings = hanging(model__pause=0.05)
    interrupted = scene(settings=settings)
    process = interrupted.start()
    interrupted.iterating(6)
    process.send_signal(signal.SIGINT)

    assert interrupted.finish() == 130, interrupted.last_words()
    (saved,) = [f for f in interrupted.of(CommandAnswered) if f.order == "save"]
    assert saved.done, saved.why
    assert interrupted.train("--resume") == 0, interrupted.last_words()
    quiet = undisturbed(settings=settings)
    assert accounting.order(interrupted.consumed) == accounting.order(quiet.consumed)
    assert accounting.farthest_rate(interrupted.consumed, quiet.consumed) < RATE
    assert_same_weights(interrupted, quiet)


def test_without_rescue_a_stall_costs_what_was_learnt_since_the_checkpoint(scene):
    lost = scene(settings=hanging({"at": MIDDLE, "skip": 1}))

    assert lost.train("--no-rescue") == 0, lost.last_words()
    first, second = lost.summary["attempts"]
    assert first["rescued"] == 0
    assert first["lost_iterations"] == accounting.relearnt(lost.consumed) > 0
    assert second["resumed_from"].endswith("epoch_1.pth")
    assert lost.of(CommandAnswered) == []
