"""Records the first iteration, and the first value in it, that is NaN or infinite.

Every iteration is looked at, and none waits for a GPU: values that the training has read itself are
numbers already, and those on a device are copied to the host beside the computation and read when
they have arrived, some iterations later (``device_values``).
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Mapping

from dualwatch.agent import files
from dualwatch.agent.torch import model_outline, suspect_batch
from dualwatch.agent.torch.device_values import DeviceValues
from dualwatch.protocol import model as records

if TYPE_CHECKING:
    from dualwatch.agent.torch.objects import Module, Tensor

MOST_RECORDS = 60
"""Of one run: values that come and go must not write at every iteration."""

MOST_TERMS = 20
MOST_VALUES = 40
MOST_MODULES = 6
LENGTH = 200

_LOOKS = frozenset((1, 2, 3, 5, 10, 30, 100, 300, 1000, 3000, 10000))
"""Consecutive iterations at which the weights are looked at, which waits for the GPU, and the
record is written again."""


class NonFiniteRecorder:
    """Writes ``non-finite-RANK.json``, from the first iteration on in which a value is not finite.

    Args:
        folder: The attempt's folder.
        rank: Rank of this process.
    """

    def __init__(self, folder: str, rank: int) -> None:
        self._path = os.path.join(folder, records.non_finite_file(rank))
        self._rank = rank
        self._left = MOST_RECORDS
        self._model: Module | None = None
        self._late = DeviceValues()
        self._terms: dict[str, records.NonFiniteTermDocument] = {}
        self._running = 0
        self._weights_at = 0
        self._weights: list[str] | None = None
        self._files: list[str] = []
        self._unsound: list[str] = []

    def follow(self, model: Module) -> None:
        """Names the model whose weights are looked at when a loss is not finite."""
        self._model = model_outline.unwrapped(model)

    def note(self, iteration: int, values: Mapping[str, object], batch: object = None) -> None:
        """Looks at the values of an iteration; never raises.

        Args:
            iteration: Iterations completed, this one included.
            values: Numbers, and tensors of one number; anything else is passed over.
            batch: What they were computed from; None where that is no longer there.
        """
        if self._left <= 0:
            return
        try:
            self._note(iteration, values, batch)
        except Exception:
            self._left = 0  # It would fail at every iteration.
            files.note_error("looking for losses that are not finite")

    def _note(self, iteration: int, values: Mapping[str, object], batch: object) -> None:
        known: dict[str, float] = {}
        waiting: dict[str, Tensor] = {}
        for name, value in values.items():
            if isinstance(value, float):  # numpy's float64 is one, too.
                known[name] = value
            elif hasattr(value, "is_cuda"):
                _sort(name, value, known, waiting)
            if len(known) + len(waiting) >= MOST_VALUES:
                break
        if waiting:
            # One of both kinds comes late as a whole, so that the order of its terms is kept.
            self._late.put(iteration, known, waiting)
        elif known:
            self._look(iteration, known, batch)
        for earlier, arrived in self._late.arrived():
            self._look(earlier, arrived)

    def finish(self) -> None:
        """Reads what is still under way, at the end of the training; never raises."""
        try:
            for earlier, arrived in self._late.rest():
                self._look(earlier, arrived)
        except Exception:
            files.note_error("looking for losses that are not finite")

    def _look(self, iteration: int, values: Mapping[str, float], batch: object = None) -> None:
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if not bad:
            if self._running:
                self._running = 0
                self._write(iteration)
            return
        self._running += 1
        if not self._terms and batch is not None:
            self._files = suspect_batch.files_of(batch)
            self._unsound = suspect_batch.unsound_parts(batch)
        is_first = False
        for name in bad:
            term = self._terms.get(name)
            if term is not None:
                term["newest"], term["times"] = iteration, term["times"] + 1
            elif len(self._terms) < MOST_TERMS:
                is_first = True
                self._terms[name] = {
                    "name": name[:LENGTH],
                    "value": str(float(values[name])),
                    "first": iteration,
                    "newest": iteration,
                    "times": 1,
                }
        if self._running in _LOOKS:
            self._weights, self._weights_at = self._unsound_modules(), iteration
        if is_first or self._running in _LOOKS:
            self._write(iteration)

    def _write(self, iteration: int) -> None:
        self._left -= 1
        record: records.NonFiniteDocument = {
            "rank": self._rank,
            "iteration": iteration,
            "running": self._running,
            "terms": list(self._terms.values()),
            "weights_at": self._weights_at,
            "weights": self._weights,
            "files": self._files,
            "unsound": self._unsound,
        }
        files.put(self._path, record)

    def _unsound_modules(self) -> list[str] | None:
        """Upper modules whose weights are not finite; None where that cannot be seen."""
        try:
            return _unsound(self._model) if self._model is not None else None
        except Exception:  # Weights that are sharded, or on no device.
            return None


def _sort(name: str, value, known: dict[str, float], waiting: dict[str, Tensor]) -> None:
    """Reads a tensor of one number where that waits for nothing."""
    if value.numel() != 1 or not value.is_floating_point():
        return
    if value.is_cuda:
        waiting[name] = value.detach()
    elif value.device.type == "cpu":
        known[name] = float(value.detach())


def _unsound(model: Module) -> list[str] | None:
    import torch

    found: dict[str, None] = {}
    looked = False
    with torch.no_grad():
        for path, one in model.named_parameters():
            tensor: torch.Tensor = one
            if not tensor.is_floating_point() or not tensor.numel():
                continue
            looked = True
            # A sum is not finite where one number is not, and needs no room beside the weights.
            if not math.isfinite(float(tensor.sum(dtype=torch.float32))):
                found[".".join(path.split(".")[:-1][:2])[:LENGTH]] = None
            if len(found) >= MOST_MODULES:
                break
    return list(found) if looked else None
