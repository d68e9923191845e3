"""Random states: saved, restored, and separate ones for what a worker would have drawn."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Dict, Tuple, TypedDict

if TYPE_CHECKING:
    from dualwatch.agent.torch.objects import Tensor


class States(TypedDict, total=False):
    """Random states of a process as checkpoints contain them: in types of ``weights_only``."""

    torch: Tensor
    numpy: list[object]
    python: tuple[int, list[int], float | None]
    cuda: list[Tensor]


def states() -> States:
    """The random states of this process, in types that load with ``weights_only``."""
    import numpy
    import torch

    kind, keys, position, has_gauss, gauss = numpy.random.get_state()
    version, inner, next_gauss = random.getstate()
    kept: States = {
        "torch": torch.get_rng_state(),
        "numpy": [kind, [int(key) for key in keys], int(position), int(has_gauss), float(gauss)],
        "python": (version, list(inner), next_gauss),
    }
    if torch.cuda.is_available():
        kept["cuda"] = torch.cuda.get_rng_state_all()
    return kept


def restore(kept: States) -> None:
    """Restores random states."""
    import numpy
    import torch

    torch.set_rng_state(kept["torch"].cpu())
    kind, keys, *rest = kept["numpy"]
    numpy.random.set_state((kind, numpy.array(keys, dtype=numpy.uint32), *rest))
    version, inner, gauss = kept["python"]
    random.setstate((version, tuple(inner), gauss))
    devices = kept.get("cuda")
    if devices and torch.cuda.is_available() and len(devices) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([state.cpu() for state in devices])


_Sources = Tuple["Tensor", Dict[str, Any], Tuple[Any, ...]]
"""States of torch, numpy (in its own form) and Python."""


class RandomStates:
    """Random states separate from those of the process, which the model draws from.

    Args:
        seed: Of these states.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._states: _Sources | None = None
        self._outside: _Sources | None = None

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Inside, everything random is drawn from these states."""
        import numpy
        import torch

        self._outside = self._now()
        if self._states is None:
            torch.default_generator.manual_seed(self._seed)
            numpy.random.seed(self._seed % 2**32)
            random.seed(self._seed)
        else:
            self._set(self._states)
        try:
            yield
        finally:
            self._states = self._now()
            self._set(self._outside)
            self._outside = None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Inside, within ``active``, everything random is drawn from the process's own states."""
        if self._outside is None:
            yield
            return
        own = self._now()
        self._set(self._outside)
        try:
            yield
        finally:
            self._outside = self._now()
            self._set(own)

    @staticmethod
    def _now() -> _Sources:
        import numpy
        import torch

        numbers = numpy.random.get_state(legacy=False)
        return torch.get_rng_state(), numbers, random.getstate()

    @staticmethod
    def _set(states: _Sources) -> None:
        import numpy
        import torch

        torch.set_rng_state(states[0])
        numpy.random.set_state(states[1])
        random.setstate(states[2])
