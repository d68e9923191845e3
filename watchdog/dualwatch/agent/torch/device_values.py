"""Values on a GPU that are read without waiting for it.

Reading a value waits until the GPU has computed it, which keeps the training from preparing the
next iteration. Instead it is copied to pinned memory of the host behind the computation, with an
event after the copy; it is read once that event has passed. An iteration pays some launches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

if TYPE_CHECKING:
    from dualwatch.agent.torch.objects import Tensor

PLACES = 32
"""Iterations that may be under way; of more, the values are not looked at."""

MOST = 40
"""Values of an iteration."""


class DeviceValues:
    """Values of the newest iterations that are on their way to the host."""

    def __init__(self) -> None:
        self._free: list[_Place] = []
        self._under_way: list[_Place] = []
        self._made = 0

    def put(self, iteration: int, known: Mapping[str, float], values: Mapping[str, Tensor]) -> None:
        """Copies the values of an iteration; does not wait.

        Args:
            known: Values of the same iteration that are on the host already.
            values: Tensors of one number each, on CUDA devices.
        """
        place = self._place()
        if place is not None:
            place.fill(iteration, known, values)
            self._under_way.append(place)

    def arrived(self) -> list[tuple[int, dict[str, float]]]:
        """Iterations whose values have come, in their order."""
        found = []
        while self._under_way and self._under_way[0].is_here():
            found.append(self._under_way[0].read())
            self._free.append(self._under_way.pop(0))
        return found

    def rest(self) -> list[tuple[int, dict[str, float]]]:
        """All iterations that are under way; waits for them."""
        for place in self._under_way:
            place.wait()
        return self.arrived()

    def _place(self) -> _Place | None:
        if self._free:
            return self._free.pop()
        if self._made >= PLACES:
            return None
        self._made += 1
        return _Place()


class _Place:
    """Room for the values of one iteration in pinned memory."""

    def __init__(self) -> None:
        import torch

        self._room: Any = torch.empty(MOST, dtype=torch.float32, pin_memory=True)
        self._events: dict[object, Any] = {}
        self._used: list[Any] = []
        self._iteration = 0
        self._known: dict[str, float] = {}
        self._names: list[str] = []

    def fill(
        self, iteration: int, known: Mapping[str, float], values: Mapping[str, Tensor]
    ) -> None:
        import torch

        self._iteration, self._known, self._names = iteration, dict(known), list(values)[:MOST]
        with torch.no_grad():
            for at, name in enumerate(self._names):
                value: Any = values[name]
                self._room[at].copy_(value.reshape(()), non_blocking=True)
        self._used = []
        for device in {values[name].device for name in self._names}:
            event = self._events.get(device)
            if event is None:
                event = self._events[device] = torch.cuda.Event()
            event.record(torch.cuda.current_stream(device))
            self._used.append(event)

    def is_here(self) -> bool:
        return all(event.query() for event in self._used)

    def wait(self) -> None:
        for event in self._used:
            event.synchronize()

    def read(self) -> tuple[int, dict[str, float]]:
        found = self._room[: len(self._names)].tolist()
        return self._iteration, {**self._known, **dict(zip(self._names, found))}
