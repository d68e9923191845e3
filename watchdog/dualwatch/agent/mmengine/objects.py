"""What the agent uses of the objects that mmengine makes, for the type checker.

Imported while types are checked only: it costs a training nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypedDict

from dualwatch.agent.torch.objects import DataLoader, Module, Tensor
from dualwatch.agent.torch.rng import States
from dualwatch.agent.torch.sample_tracker import Position


class PassIterator(Protocol):
    """The endless iterator of an iteration-based loop."""

    _epoch: int
    _iterator: Iterator[object]

    def __next__(self) -> object: ...


class TrainLoop(Protocol):
    """A training loop; one that counts iterations has an iterator of its own."""

    dataloader: DataLoader
    dataloader_iterator: PassIterator
    epoch: int
    iter: int
    max_epochs: int
    max_iters: int
    _iter: int


class EvaluationLoop(Protocol):
    """The loop of a validation or a test."""

    dataloader: DataLoader

    def run(self) -> object: ...


class ScalarHistory(Protocol):
    """The values of one name that were logged."""

    def current(self) -> float: ...


class MessageHub(Protocol):
    """What parts of mmengine read the present iteration from, and log by."""

    log_scalars: dict[str, ScalarHistory]

    def update_info(self, key: str, value: object) -> None: ...


class AveragingHook(Protocol):
    """A hook that swaps an averaged model in and out."""

    def _swap_ema_parameters(self) -> None: ...


class Runner(Protocol):
    """A Runner."""

    work_dir: str
    iter: int
    model: Module
    hooks: list[object]
    message_hub: MessageHub
    train_loop: TrainLoop
    val_loop: EvaluationLoop | None
    test_loop: EvaluationLoop
    train: Callable[..., object]
    build_dataloader: Callable[..., object]
    save_checkpoint: Callable[..., object]
    load_or_resume: Callable[..., object]
    call_hook: Callable[..., None]


class RunnerModule(Protocol):
    """The module of the Runner."""

    Runner: type[Runner]


class SavedPosition(TypedDict, total=False):
    """A position in the data, in a checkpoint's ``meta``."""

    seed: int | None
    batch_size: int | None
    world: int
    position: Position


class RescuedState(TypedDict, total=False):
    """What only a rescue checkpoint contains, of one rank."""

    random: States
    gradients: dict[str, Tensor]
    place: SavedPosition | None
    ranks: dict[int, RescuedState]


class LoadedState(TypedDict, total=False):
    """What mmengine ignores of a checkpoint that was loaded."""

    place: SavedPosition | None
    validation: bool
    kept: RescuedState | None
