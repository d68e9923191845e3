"""What a loop does, seen from the loaders that it reads and the steps that it makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from dualwatch.protocol import Phase

torch = pytest.importorskip("torch")

from dualwatch.agent.heartbeat import HeartbeatWriter  # noqa: E402
from dualwatch.agent.plain.progress import LoopProgress  # noqa: E402
from dualwatch.agent.torch.batch_outline import BatchRecorder  # noqa: E402
from dualwatch.agent.torch.learning import LearningRecorder  # noqa: E402
from dualwatch.agent.torch.loader_guard import LoaderGuard  # noqa: E402
from dualwatch.agent.torch.non_finite import NonFiniteRecorder  # noqa: E402


class Loop:
    """A loop with its heartbeat; each method of it is what a training does."""

    def __init__(self, folder: Path) -> None:
        self.heart = HeartbeatWriter(str(folder), 0)
        self.logged: list[dict[str, float]] = []
        batches = BatchRecorder(str(folder), 0)
        self.progress = LoopProgress(
            self.heart,
            batches,
            None,
            self.logged.append,
            LearningRecorder(str(folder), 0),
            NonFiniteRecorder(str(folder), 0),
        )

    def loader(self, batches: int) -> torch.utils.data.DataLoader:
        loader = torch.utils.data.DataLoader(torch.arange(2 * batches), batch_size=2)
        LoaderGuard(loader, self.progress)
        return loader


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return Loop(tmp_path)


def test_batches_are_iterations_and_passes_are_epochs(loop: Loop) -> None:
    loader = loop.loader(3)
    for epoch in range(2):
        for done, _ in enumerate(loader):
            assert loop.heart.phase == Phase.STEP
            assert (loop.heart.epoch, loop.heart.batch, loop.heart.batches) == (epoch, done, 3)
            loop.progress.stepped()
        assert loop.heart.iteration == 3 * (epoch + 1)
        assert loop.heart.phase == Phase.WAITING


def test_without_gradients_it_is_a_validation(loop: Loop) -> None:
    train, val = loop.loader(2), loop.loader(4)
    for _ in train:
        loop.progress.stepped()
    with torch.no_grad():
        for _ in val:
            assert loop.heart.phase == Phase.VAL_STEP
    assert loop.heart.iteration == 2


def test_a_validation_that_forgets_to_switch_gradients_off(loop: Loop) -> None:
    train, val = loop.loader(2), loop.loader(4)
    for _ in range(2):
        for _ in train:
            loop.progress.stepped()
        for _ in val:
            assert loop.heart.phase == Phase.VAL_STEP
    assert loop.heart.iteration == 4


def test_of_two_loaders_side_by_side_one_counts(loop: Loop) -> None:
    visible, infrared = loop.loader(3), loop.loader(3)
    for _ in range(2):
        for _ in zip(visible, infrared, strict=True):
            loop.progress.stepped()
    assert loop.heart.iteration == 6


def test_a_second_loader_that_is_trained_on_later_takes_over(loop: Loop) -> None:
    first, second = loop.loader(2), loop.loader(4)
    for loader in (first, second):
        for _ in loader:
            loop.progress.stepped()
    assert loop.heart.iteration == 6


def test_a_new_loader_for_each_epoch_is_a_new_epoch(loop: Loop) -> None:
    for epoch in range(3):
        for _ in loop.loader(2):
            loop.progress.stepped()
            assert (loop.heart.phase, loop.heart.epoch) == (Phase.STEP, epoch)
    assert loop.heart.iteration == 6


def test_gradients_of_several_batches_are_one_step(loop: Loop) -> None:
    for done, _ in enumerate(loop.loader(6)):
        if done % 3 == 2:
            loop.progress.stepped()
    assert loop.heart.iteration == 6


def test_losses_of_the_first_each_tenth_and_the_last_iteration(loop: Loop) -> None:
    for done, _ in enumerate(loop.loader(13)):
        loop.progress.losses.append(torch.tensor(float(done + 1)))
        loop.progress.stepped()
    assert loop.logged == [{"loss": 1.0}, {"loss": 10.0}, {"loss": 13.0}]


def test_two_losses_of_one_iteration_are_told_apart(loop: Loop) -> None:
    for _ in loop.loader(1):
        loop.progress.losses += [torch.tensor(2.0), torch.tensor(3.0)]
        loop.progress.stepped()
    assert loop.logged == [{"loss_0": 2.0, "loss_1": 3.0}]


def test_what_is_retired_says_nothing_any_more(loop: Loop) -> None:
    loader = loop.loader(4)
    batches = iter(loader)
    next(batches)
    beats = loop.heart.beats
    loop.progress.retired = True
    list(batches)
    assert loop.heart.beats == beats
