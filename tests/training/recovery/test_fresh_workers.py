"""A replaced loader gets fresh workers inside the running training, and loses no sample."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dualwatch.events import Decided, WorkersChanged
from dualwatch.protocol.workers import WorkersReason, WorkersStep

from tests.training.recovery import accounting
from tests.training.recovery.scene import Scene, nested

BATCHES = 1500
"""More than there is time for; once enough was seen, the rest is loaded at once."""

AT = 80

STALL = 20.0
"""Seconds; a busy machine needs some to end spawned workers."""


def slow(enough: str, **faults: Any) -> dict[str, Any]:
    """Settings of a training that waits for its data."""
    return nested(
        {
            "train_cfg.max_epochs": 1,
            "train_dataloader.sampler.shuffle": False,
            "train_dataloader.persistent_workers": False,
            "train_dataloader.dataset.length": 4 * BATCHES,
            "train_dataloader.dataset.load": 0.05,
            "train_dataloader.dataset.enough": enough,
            "train_dataloader.dataset.faults": faults,
        }
    )


def finished(scene: Scene, enough: Path, step: str) -> None:
    """Waits for a step of the agent, and lets the training end."""
    scene.deadline = 600.0
    scene.wait_for(lambda e: isinstance(e, WorkersChanged) and e.step == step, step)
    enough.touch()
    assert scene.finish() == 0, scene.last_words()


@pytest.mark.parametrize(
    ("faults", "workers"),
    [({"held at fork": {"at": AT}}, 2), ({"cycle": {"at": AT}}, 1)],
    ids=["lock held while forking", "cycle between workers"],
)
def test_fresh_workers_load_the_rest_of_the_epoch(faults, workers, scene, tmp_path) -> None:
    enough = tmp_path / "enough"
    cured = scene(stall_timeout=STALL, settings=slow(str(enough), **faults))
    cured.start()
    finished(cured, enough, WorkersStep.GAIN)

    assert [event.action for event in cured.of(Decided)] == ["replace"]
    steps = cured.of(WorkersChanged)
    names = [step.step for step in steps]
    assert names == [WorkersStep.STARTING, WorkersStep.TAKEN_OVER, WorkersStep.GAIN]
    assert {step.workers for step in steps} == {workers}
    assert all(step.before_s and step.without_s for step in steps)
    assert accounting.wrong(cured.consumed, Counter(range(4 * BATCHES)), epochs=1) == []
    assert accounting.order(cured.consumed) == list(range(4 * BATCHES))
    assert cured.left_alive() == []


def test_it_stays_without_workers_where_none_are_wanted(scene, tmp_path) -> None:
    enough = tmp_path / "enough"
    cured = scene(stall_timeout=STALL, settings=slow(str(enough), **{"held at fork": {"at": AT}}))
    cured.start(cured.command("--after-cure", "none"))
    finished(cured, enough, WorkersStep.WITHOUT)

    (step,) = cured.of(WorkersChanged)
    assert step.reason == WorkersReason.ASKED
    assert step.without_s
    assert accounting.order(cured.consumed) == list(range(4 * BATCHES))
