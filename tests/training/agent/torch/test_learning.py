"""What the agent records of the model in steps of the optimizer, part by part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dualwatch import protocol
from dualwatch.agent.torch import learning, step_hooks
from dualwatch.agent.torch.learning import LearningRecorder
from dualwatch.collectors.agent_files.learning import LearningFiles
from dualwatch.events import LearningSeen, PartLearning

torch = pytest.importorskip("torch")
nn = torch.nn


class Backbone(nn.Module):
    def __init__(self, norm_eval: bool = False) -> None:
        super().__init__()
        # A bias in front of a normalisation has no gradient but rounding.
        self.stem = nn.Linear(4, 8, bias=False)
        self.norm = nn.BatchNorm1d(8)
        self.norm_eval = norm_eval

    def forward(self, x: Any) -> Any:
        return self.norm(self.stem(x))


class Detector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.neck = nn.Linear(8, 8)
        self.head = nn.Linear(8, 1)

    def forward(self, x: Any) -> Any:
        return self.head(self.neck(self.backbone(x)))


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., LearningSeen]:
    """Trains, and returns the newest record."""
    monkeypatch.setenv(protocol.ENV_ATTEMPT_DIR, str(tmp_path))

    def watch(
        model: Any,
        optimizer: Any,
        iterations: int = 6,
        forward: Callable[[Any], Any] | None = None,
        after: Callable[[], object] | None = None,
    ) -> LearningSeen:
        recorder = LearningRecorder(str(tmp_path), 0)
        recorder.follow(model, [optimizer])
        for done in range(iterations):
            recorder.iteration_begins(done)
            loss = (forward or model)(torch.rand(5, 4)).pow(2).mean()
            loss.backward()
            optimizer.step()
            (after or optimizer.zero_grad)()
            recorder.iteration_done(done + 1)
        assert not (tmp_path / "agent-error.txt").exists()
        (event,) = LearningFiles(tmp_path).poll(1.0, 2.0)
        return event

    return watch


def part(event: LearningSeen, path: str) -> PartLearning:
    return next(one for one in event.parts if one.path == path)


def sgd(model: Any, lr: float = 0.1, **options: Any) -> Any:
    return torch.optim.SGD(model.parameters(), lr=lr, **options)


def test_a_sound_training_moves_every_part(watched):
    model = Detector()

    seen = watched(model, sgd(model))

    assert (seen.first, seen.iteration, seen.steps) == (1, 4, 4)
    assert (seen.cleared, seen.uncleared) == (3, 0)
    assert [one.path for one in seen.parts] == [
        *("", "backbone", "backbone.stem", "backbone.norm", "neck", "head")
    ]
    for one in seen.parts:
        assert one.trainable == one.optimised == one.rated == one.gradient == one.parameters > 0
        assert (one.called, one.looks, one.evaluating) == (True, 4, 0)
    assert part(seen, "").changed == part(seen, "").sampled > 0


def test_a_part_outside_the_optimizer_has_a_gradient_and_is_not_held(watched):
    model = Detector()
    others = [*model.backbone.parameters(), *model.head.parameters()]

    neck = part(watched(model, torch.optim.SGD(others, lr=0.1)), "neck")

    assert (neck.optimised, neck.gradient, neck.changed) == (0, neck.trainable, 0)


def test_a_detached_part_is_called_and_gets_no_gradient(watched):
    model = Detector()

    seen = watched(
        model, sgd(model), forward=lambda x: model.head(model.neck(model.backbone(x).detach()))
    )

    assert (part(seen, "backbone").gradient, part(seen, "backbone").called) == (0, True)
    assert part(seen, "neck").gradient > 0


def test_an_unused_part_is_not_called(watched):
    model = Detector()
    model.spare = nn.Linear(2, 2)

    spare = part(watched(model, sgd(model)), "spare")

    assert (spare.gradient, spare.called) == (0, False)


def test_a_frozen_part_does_not_count_as_trained(watched):
    model = Detector()
    model.backbone.requires_grad_(False)
    model.backbone.eval()

    backbone = part(watched(model, sgd(model)), "backbone")

    assert (backbone.trainable, backbone.gradient, backbone.evaluating) == (0, 0, 0)


def test_a_rate_of_zero_and_one_that_rises(watched):
    model = Detector()
    optimizer = sgd(model, lr=0.0)

    assert part(watched(model, optimizer), "").rated == 0
    assert part(watched(model, optimizer), "").rising == 0

    for group in optimizer.param_groups:
        group["initial_lr"] = 0.1
    assert part(watched(model, optimizer), "").rising > 0


@pytest.mark.parametrize("keep", [False, True])
def test_gradients_that_are_cleared_and_that_are_not(watched, keep):
    model = Detector()
    optimizer = sgd(model, lr=1e-3)

    seen = watched(
        model, optimizer, after=lambda: None if keep else optimizer.zero_grad(set_to_none=False)
    )

    assert (seen.cleared, seen.uncleared) == ((0, 3) if keep else (3, 0))


def test_accumulated_gradients_are_cleared_gradients(tmp_path, monkeypatch):
    monkeypatch.setenv(protocol.ENV_ATTEMPT_DIR, str(tmp_path))
    model = Detector()
    optimizer = sgd(model)
    recorder = LearningRecorder(str(tmp_path), 0)
    recorder.follow(model, [optimizer])
    for done in range(20):
        recorder.iteration_begins(done)
        model(torch.rand(5, 4)).mean().backward()
        if done % 4 == 3:
            optimizer.step()
            optimizer.zero_grad()
        recorder.iteration_done(done + 1)
    (seen,) = LearningFiles(tmp_path).poll(1.0, 2.0)

    assert (seen.steps, seen.cleared, seen.uncleared) == (4, 3, 0)


def test_an_opponent_that_is_cleared_before_its_own_pass(tmp_path, monkeypatch):
    """The generator's pass leaves gradients in the discriminator, which clears them later."""
    monkeypatch.setenv(protocol.ENV_ATTEMPT_DIR, str(tmp_path))
    model = nn.ModuleDict({"gen": nn.Linear(4, 4), "disc": nn.Linear(4, 1)})
    gen, disc = sgd(model["gen"]), sgd(model["disc"])
    recorder = LearningRecorder(str(tmp_path), 0)
    recorder.follow(model, [gen, disc])
    for done in range(6):
        recorder.iteration_begins(done)
        gen.zero_grad()
        model["disc"](model["gen"](torch.rand(5, 4))).mean().backward()
        gen.step()
        disc.zero_grad()
        model["disc"](model["gen"](torch.rand(5, 4)).detach()).mean().backward()
        disc.step()
        recorder.iteration_done(done + 1)
    (seen,) = LearningFiles(tmp_path).poll(1.0, 2.0)

    assert (seen.cleared, seen.uncleared) == (6, 0)


def test_eval_mode_that_was_left_on(watched):
    model = Detector()
    model.backbone.eval()

    assert part(watched(model, sgd(model)), "backbone").evaluating == 4
    assert part(watched(Detector(), sgd(model)), "backbone").evaluating == 0


@pytest.mark.parametrize("how", ["norm_eval", "own option", "nothing depends on it"])
def test_eval_mode_on_purpose(watched, how):
    model = Detector()
    if how == "norm_eval":
        model.backbone = Backbone(norm_eval=True)
        model.backbone.eval()
    elif how == "own option":
        model.backbone.norm.eval()
    else:
        model.neck.eval()

    assert all(one.evaluating == 0 for one in watched(model, sgd(model)).parts)


def test_later_windows_look_again_and_leave_nothing_between(watched):
    model = Detector()
    optimizer = sgd(model)

    seen = watched(model, optimizer, iterations=learning.INTERVAL + 8)

    assert seen.iteration == 4 + learning.INTERVAL + 2
    assert seen.steps == 6
    assert not optimizer._optimizer_step_post_hooks
    assert not nn.modules.module._global_forward_pre_hooks
    assert not any(one._backward_hooks for one in model.parameters())


def test_other_ranks_and_unknown_optimizers_record_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv(protocol.ENV_ATTEMPT_DIR, str(tmp_path))
    model = Detector()
    for rank, optimizers in ((1, [sgd(model)]), (0, []), (0, [object()])):
        recorder = LearningRecorder(str(tmp_path), rank)
        recorder.follow(model, optimizers)  # type: ignore[arg-type]
        recorder.iteration_begins(0)
        recorder.iteration_done(1)

    assert not list(tmp_path.glob("learning-*"))


def test_the_step_of_an_older_optimizer_is_wrapped_and_put_back():
    class Old:
        def __init__(self) -> None:
            self.steps = 0

        def step(self) -> int:
            self.steps += 1
            return self.steps

    optimizer, noted = Old(), []
    handle = step_hooks.after_step(optimizer, noted.append)

    assert (optimizer.step(), noted) == (1, [optimizer])
    # A scheduler of torch or mmengine counts the steps by the method's own object.
    assert optimizer.step.__self__ is optimizer  # type: ignore[attr-defined]
    handle.remove()
    assert (optimizer.step(), len(noted)) == (2, 1)
    assert "step" not in vars(optimizer)
