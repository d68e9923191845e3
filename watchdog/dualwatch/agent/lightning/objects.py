"""What the agent uses of the objects that Lightning makes, for the type checker.

Imported while types are checked only: it costs a training nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, SupportsFloat, TypedDict, Union

from dualwatch.agent.torch.objects import Optimizer, Tensor
from dualwatch.agent.torch.rng import States
from dualwatch.agent.torch.sample_tracker import Position


class Count(Protocol):
    """Batches that were begun and finished."""

    ready: int
    completed: int


class Progress(Protocol):
    """Batches of the whole training, and of the present epoch."""

    total: Count
    current: Count


class EpochLoop(Protocol):
    """The loop over the batches of an epoch."""

    batch_progress: Progress


class FitLoop(Protocol):
    """The loop over the epochs."""

    epoch_loop: EpochLoop
    restarting: bool


Batches = Union[float, "Sequence[float]"]
"""Of one loader or of several; infinite for one without a length."""


class LightningRunner(Protocol):
    """Lightning's Trainer."""

    callback_metrics: Mapping[str, SupportsFloat]
    callbacks: list[object]
    current_epoch: int
    default_root_dir: str
    fit_loop: FitLoop
    log_dir: str | None
    log_every_n_steps: int | None
    max_epochs: int | None
    num_sanity_val_batches: Batches
    num_test_batches: Batches
    num_training_batches: float
    num_val_batches: Batches
    optimizers: list[Optimizer]
    sanity_checking: bool
    save_checkpoint: Callable[..., object]
    world_size: int


class TrainerClass(Protocol):
    """The class of Lightning's Trainer."""

    fit: Callable[..., object]


class LightningModule(Protocol):
    """Lightning's package, or the module of its Trainer."""

    Trainer: TrainerClass
    Callback: type


class SavedPosition(TypedDict):
    """A position in the data, in a checkpoint."""

    position: Position
    order: Tensor | None
    random: States
