"""What the agent uses of the objects that transformers makes, for the type checker.

Imported while types are checked only: it costs a training nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Protocol

from dualwatch.agent.torch.objects import Module, Optimizer


class Arguments(Protocol):
    """The arguments of a training."""

    output_dir: str
    process_index: int
    gradient_accumulation_steps: int
    save_total_limit: int | None
    world_size: int


class State(Protocol):
    """How far a training is."""

    epoch: float | None
    global_step: int
    max_steps: int
    num_train_epochs: int


class CallbackHandler(Protocol):
    """Calls the callbacks of a training, in their order."""

    callbacks: list[object]


class HFTrainer(Protocol):
    """The Trainer."""

    args: Arguments
    callback_handler: CallbackHandler
    evaluate: Callable[..., object]
    model_wrapped: Module
    predict: Callable[..., object]
    prediction_step: Callable[..., object]
    state: State
    _save_checkpoint: Callable[..., object]


class TrainerClass(Protocol):
    """The class of the Trainer."""

    train: Callable[..., object]


class TrainerModule(Protocol):
    """The module of the Trainer."""

    Trainer: TrainerClass
    TrainerCallback: type


class Parts(Protocol):
    """What the Trainer hands to a callback."""

    model: Module
    optimizer: Optimizer
    train_dataloader: Sized
    eval_dataloader: Sized
