"""Settings of the trainings that the tests make hang, and what every cure must keep."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

from dualwatch.events import AttemptStarted, CommandAnswered, Decided
from dualwatch.protocol import RESCUE_NAME

from tests.training.recovery import accounting
from tests.training.recovery.scene import Scene, nested

WHOLE: Counter[int | str] = Counter(range(64))
"""What an epoch is made of."""

FIRST, LAST, MIDDLE = (random.Random(seed).randrange(64) for seed in (1, 2, 5))
"""Samples that hang. The shuffle puts them into the first, the last and the ninth batch of the
first epoch; later ones have them anywhere."""


def assert_same_weights(scene: Scene, other: Scene) -> None:
    """To float tolerance, tensor by tensor."""
    import torch

    ours, theirs = scene.weights(), other.weights()
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-6, atol=1e-7, msg=name)


def assert_cured_in_place(scene: Scene, times: int = 1) -> None:
    """One attempt, nothing lost, and the events that tell it."""
    summary = scene.summary
    assert summary["outcome"] == "completed", scene.last_words()
    (attempt,) = summary["attempts"]
    assert (attempt["rescued"], attempt["lost_iterations"]) == (times, 0)
    assert [event.action for event in scene.of(Decided)] == ["replace"] * times
    answers = [event for event in scene.of(CommandAnswered) if event.order == "replace"]
    assert [event.done for event in answers] == [True] * times
    assert len(accounting.processes(scene.consumed)) == 1
    assert scene.left_alive() == []


def assert_rescued(scene: Scene, attempts: int = 2) -> None:
    """Each attempt but the last ended with a rescue checkpoint, from which the next took up."""
    summary = scene.summary
    assert summary["outcome"] == "completed", scene.last_words()
    assert len(summary["attempts"]) == attempts
    assert [attempt["lost_iterations"] for attempt in summary["attempts"]] == [0] * attempts
    saved = [f for f in scene.of(CommandAnswered) if f.order == "save" and f.done]
    resumed = [event.resumed_from for event in scene.of(AttemptStarted)]
    assert resumed == [None, *(event.path for event in saved)]
    for event in saved:
        assert Path(event.path).name == RESCUE_NAME.format(event.iteration)
    assert scene.left_alive() == []


def hanging(*hangs: dict[str, Any], start_method: str = "fork", **more: Any) -> dict[str, Any]:
    """Settings of a training whose samples hang."""
    given = {
        "train_dataloader.dataset.hangs": list(hangs),
        "train_dataloader.dataset.signs": "{folder}/signs",
        "train_dataloader.dataset.start_method": start_method,
        "env_cfg.mp_cfg.mp_start_method": start_method,
    }
    return nested({**given, **{key.replace("__", "."): value for key, value in more.items()}})
