"""Follows a framework's own trainer: wraps its call that trains, observes by a callback."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Callable, Protocol

from dualwatch.agent import files
from dualwatch.agent.trainer import is_loader_worker
from dualwatch.protocol import Phase

if TYPE_CHECKING:
    from dualwatch.agent.heartbeat import HeartbeatWriter
    from dualwatch.agent.torch.non_finite import NonFiniteRecorder


class FollowedCall(Protocol):
    """What a wrapped call needs of the training that it begins; see ``agent.trainer``."""

    heart: HeartbeatWriter
    non_finite: NonFiniteRecorder

    def apply_overrides(self, arguments: dict[str, object]) -> None: ...
    def rescuing(self, train: Callable[..., object]) -> Callable[..., object]: ...


def wrap(owner: object, name: str, follow: Callable[..., FollowedCall], *, rescues: bool) -> None:
    """Wraps the method of a framework's trainer that trains.

    Args:
        follow: Called with the framework's trainer; follows this training.
        rescues: Whether an error in it is preceded by a rescue checkpoint here; a framework may
            report errors by its callbacks.
    """
    original = getattr(owner, name)
    signature = inspect.signature(original)

    @functools.wraps(original)
    def train(self, *args, **kwargs):
        run: Callable[..., object] = functools.partial(original, self)
        trainer = None
        if not is_loader_worker():
            try:
                bound = signature.bind(self, *args, **kwargs)
                trainer = follow(self)
                trainer.apply_overrides(bound.arguments)
                args, kwargs = bound.args[1:], bound.kwargs
                run = trainer.rescuing(run) if rescues else run
            except Exception:
                files.note_error("following the Trainer")
        result = run(*args, **kwargs)
        if trainer is not None:
            trainer.non_finite.finish()
            trainer.heart.beat(Phase.FINISHED)
        return result

    setattr(owner, name, train)


def callback(base: type, tracker: object) -> object:
    """A callback that passes a framework's events on; an error in it never reaches the training.

    Args:
        base: The class of the framework's callbacks.
        tracker: Its methods that begin with ``on_`` are the framework's events.
    """
    names = [name for name in dir(tracker) if name.startswith("on_")]
    events = {name: _event(getattr(tracker, name)) for name in names}
    return type("DualwatchCallback", (base,), {**events, "dualwatch": True})()


def _event(handler):
    @functools.wraps(handler)
    def event(self, *args, **kwargs):
        try:
            handler(*args, **kwargs)
        except Exception:
            files.note_error("following the Trainer")

    return event
