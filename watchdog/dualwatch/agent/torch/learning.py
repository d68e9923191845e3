"""Records, part by part, what some steps of the optimizer do to the model.

A part that is in no optimizer, gets no gradient, has a learning rate of 0 or was left in eval mode
logs the same lines as one that is trained. Here they differ. The first steps are observed, and two
in every ``INTERVAL`` iterations; between them an iteration pays one comparison.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Callable

from dualwatch.agent import files
from dualwatch.agent.torch import model_outline, step_hooks, train_mode
from dualwatch.protocol import model as records

if TYPE_CHECKING:
    from dualwatch.agent.torch.objects import Module, Optimizer, Tensor

FIRST_STEPS = 4
LATER_STEPS = 2
"""Two: whether gradients were cleared shows between one step and the next."""

INTERVAL = 200
LONGEST = 64
"""Iterations in which the steps must come: accumulation needs several for one."""

ELEMENTS = 1024
"""Numbers of a tensor that are compared."""


class LearningRecorder:
    """Writes ``learning-RANK.json``.

    Args:
        folder: The attempt's folder.
        rank: Rank of this process; only the first one observes.
    """

    def __init__(self, folder: str, rank: int) -> None:
        self._path = os.path.join(folder, records.learning_file(rank))
        self._rank = rank
        self._observer: _Observer | None = None
        self._next = -1  # The iteration at which a window opens; -1 never.
        self._until = 0
        self._wanted = FIRST_STEPS
        self._written = 0
        self._first = -1

    def follow(self, model: Module, optimizers: list[Optimizer]) -> None:
        """Observes the steps of a training from its next iteration on; never raises."""
        if self._rank != 0 or self._observer is not None or not optimizers:
            return
        try:
            self._observer = _Observer(model, optimizers)
            self._next = 0
        except Exception:
            files.note_error("observing the optimizer")

    def iteration_begins(self, done: int) -> None:
        """An iteration begins; ``done`` were completed. Never raises."""
        if self._observer is None or self._next < 0 or done < self._next:
            return
        if self._observer.is_open:
            return
        try:
            self._until = done + LONGEST
            self._first = done if self._first < 0 else self._first
            self._observer.open(is_first=self._wanted == FIRST_STEPS)
        except Exception:
            self._give_up()

    def iteration_done(self, done: int) -> None:
        """An iteration was completed, the ``done``-th. Never raises."""
        observer = self._observer
        if observer is None or not observer.is_open:
            return
        try:
            observer.check()
            steps = observer.steps
            is_over = steps >= self._wanted or done >= self._until
            if is_over:
                observer.close()
                self._wanted = LATER_STEPS
                self._next = done + INTERVAL
            if is_over or steps > self._written:
                self._written = 0 if is_over else steps
                record: records.LearningDocument = {
                    "rank": self._rank,
                    "first": self._first + 1,
                    "iteration": done,
                    **observer.record(),
                }
                files.put(self._path, record)
        except Exception:
            self._give_up()

    def _give_up(self) -> None:
        """It would fail at every iteration."""
        files.note_error("observing the optimizer")
        self._next = -1
        if self._observer is not None:
            self._observer.close()
            self._observer = None


class _Watched:
    """What was seen of one parameter."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.looks = 0
        self.got_gradient = False
        # Of those whose values are compared: the first ones, and what became of them.
        self.first: Any = None
        self.changed = False
        self.gradient_moves = False
        self.rate_positive = False
        self.base_positive = False


class _Observer:
    """Looks at a model after steps of its optimizers, while a window is open.

    Attributes:
        steps: Steps of the optimizer that made the fewest, in this window.
    """

    def __init__(self, model: Module, optimizers: list[Optimizer]) -> None:
        self._model = model_outline.unwrapped(model)
        self._optimizers = optimizers
        self._watched: dict[int, _Watched] = {}
        self._counts: list[int] = []
        self._seen = [0, 0]  # Steps before which gradients were cleared, and were not.
        self._backward: dict[int, list[int]] = {}
        self._called: set[int] = set()
        self._evaluating: dict[str, int] = {}
        self._steps = 0
        self._handles: list[Any] = []
        self._failure: Exception | None = None
        self.is_open = False

    @property
    def steps(self) -> int:
        return min(self._counts, default=0)

    def open(self, *, is_first: bool) -> None:
        """Looks at the parameters as they are now, and at each step from now on."""
        self._counts = [0] * len(self._optimizers)
        self._backward = {}
        self.is_open = True
        for one in self._model.parameters():
            self._watched.setdefault(id(one), _Watched(one))
        for place, optimizer in enumerate(self._optimizers):
            self._handles.append(step_hooks.after_step(optimizer, self._noting(place)))
        for tensor in self._samples():
            watched = self._watched[id(tensor)]
            if watched.first is None:
                watched.first = _some(tensor).clone()
            self._handles.append(tensor.register_hook(self._seeing(watched)))
        if is_first and not step_hooks.is_compiled(self._model):
            self._handles.append(step_hooks.before_forward(self._called))

    def close(self) -> None:
        """Leaves the training as it was."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self.is_open = False

    def check(self) -> None:
        """Raises what went wrong inside a step, where it must not."""
        if self._failure is not None:
            raise self._failure

    # --- what the training calls ------------------------------------------------------------------

    def _noting(self, place: int) -> Callable[..., None]:
        def note(optimizer, *_):
            try:
                self._note(place, optimizer)
            except Exception as error:
                self._failure = error

        return note

    def _seeing(self, watched: _Watched) -> Callable[[object], None]:
        """Runs in the backward pass, before the new gradient is added to what is there."""

        def see(_):
            try:
                passes = self._backward.setdefault(id(watched.tensor), [0, 0])
                held: Any = watched.tensor.grad
                passes[held is not None and _is_any(held.detach() != 0)] += 1
            except Exception as error:
                self._failure = error

        return see

    def _note(self, place: int, optimizer: Optimizer) -> None:
        """After a step, when the gradients that it used are still there."""
        self._counts[place] += 1
        others = {id(one) for other in self._optimizers for one in _held_by(other)}
        own = {id(one) for one in _held_by(optimizer)}
        for key, watched in self._watched.items():
            if not watched.tensor.requires_grad or (key in others and key not in own):
                continue
            watched.looks += 1
            gradient = watched.tensor.grad
            if gradient is not None:
                watched.got_gradient = True
                if watched.first is not None and not watched.gradient_moves:
                    watched.gradient_moves = _is_any(_some(gradient) != 0)
            if watched.first is not None and not watched.changed:
                now = _some(watched.tensor)
                watched.changed = now.shape != watched.first.shape or _is_any(now != watched.first)
        for group in optimizer.param_groups:
            # The rate may be a tensor, of optimizers that can be captured in a graph.
            rate, base = float(group.get("lr", 1.0)), float(group.get("initial_lr", 0.0))
            for one in group["params"]:
                if id(one) in self._watched:
                    self._watched[id(one)].rate_positive |= rate > 0
                    self._watched[id(one)].base_positive |= base > 0
        passes = [self._backward.pop(key) for key in own if key in self._backward]
        # Only from the second step of a window on is it known what came before.
        if self._counts[place] > 1 and passes:
            self._seen[all(cleared == 0 for cleared, _ in passes)] += 1
        if place == 0:
            self._steps += 1
            self._note_modes()

    def _note_modes(self) -> None:
        for path, module in self._parts():
            if train_mode.is_left_in_eval(self._model, path, module):
                self._evaluating[path] = self._evaluating.get(path, 0) + 1

    # --- what came of it --------------------------------------------------------------------------

    def record(self) -> records.LearningParts:
        """All that was seen so far."""
        held = model_outline.held(self._model, self._optimizers)
        return {
            "steps": self._steps,
            "cleared": self._seen[0],
            "uncleared": self._seen[1],
            "parts": [self._part(path, module, held) for path, module in self._parts()],
        }

    def _part(self, path, module, held) -> records.LearningPartDocument:
        counts = {"trainable": 0, "optimised": 0, "rated": 0, "rising": 0, "gradient": 0}
        every, looks = 0, []
        sampled, changed, moves = 0, 0, 0
        for one in module.parameters():
            watched = self._watched.get(id(one))
            try:
                size = int(one.numel())
            except Exception:  # A lazy module has no shape before its first call.
                continue
            every += size
            if watched is None or not one.requires_grad:
                continue
            looks.append(watched.looks)
            is_held = held is not None and id(one) in held
            counts["trainable"] += size
            counts["optimised"] += size * is_held
            counts["rated"] += size * (is_held and watched.rate_positive)
            counts["rising"] += size * (is_held and watched.base_positive)
            counts["gradient"] += size * watched.got_gradient
            if watched.first is not None:
                sampled += 1
                changed += watched.changed
                moves += watched.gradient_moves
        return {
            "path": path[: model_outline.LENGTH],
            "kind": type(module).__name__[: model_outline.LENGTH],
            "parameters": every,
            "trainable": counts["trainable"],
            "optimised": None if held is None else counts["optimised"],
            "rated": counts["rated"],
            "rising": counts["rising"],
            "gradient": counts["gradient"],
            "looks": min(looks, default=0),
            "sampled": sampled,
            "changed": changed,
            "moves": moves,
            "called": any(id(inner) in self._called for inner in module.modules()),
            "evaluating": self._evaluating.get(path, 0),
        }

    def _parts(self) -> list[tuple[str, Module]]:
        """The model itself, and its upper modules."""
        return [("", self._model), *model_outline.chosen(self._model)]

    def _samples(self) -> list[Tensor]:
        """The first and the last trained tensor of each part."""
        found: dict[int, Tensor] = {}
        for _, module in self._parts():
            trained = [one for one in module.parameters() if _is_comparable(one)]
            for one in (*trained[:1], *trained[-1:]):
                found[id(one)] = one
        return list(found.values())


def _is_any(found: Any) -> bool:
    return bool(found.any())


def _is_comparable(tensor) -> bool:
    try:
        return bool(tensor.requires_grad and tensor.is_leaf and tensor.numel() > 0)
    except Exception:
        return False


def _some(tensor: Tensor) -> Any:
    """Numbers from all over a tensor."""
    flat: Any = tensor.detach().reshape(-1)
    return flat[:: max(1, flat.numel() // ELEMENTS)][:ELEMENTS]


def _held_by(optimizer: Optimizer) -> list[Tensor]:
    return [one for group in optimizer.param_groups for one in group["params"]]
