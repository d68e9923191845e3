"""What a training consumed, read from its logbook: is every sample of an epoch there once? Pure.

The logbook (``trainings/logbook.py``) has one line for each iteration that was learnt from, over
all attempts of a work dir. An attempt that begins again at an earlier place takes back what was
learnt after it: ``effective`` is what the model has learnt from in the end.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Sample = int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumed:
    """One iteration that was learnt from.

    Attributes:
        mode: "train", or "val" for a batch that was validated.
        epoch: Epochs completed; 0 throughout where iterations are counted.
        iteration: Iterations completed before it, in units of its attempt.
        position: Samples of the epoch (of the run, where iterations are counted) before it.
        samples: Their ids, in the order of the batch.
        rate: Learning rate of the step; 0 in validation.
        process: Who learnt: unique to one process.
        wall: When, seconds since the epoch.
    """

    mode: str
    epoch: int
    iteration: int
    position: int
    samples: tuple[Sample, ...]
    rate: float
    process: str
    wall: float = 0.0


def parse(text: str) -> list[Consumed]:
    """The lines of a logbook. One that is cut (its writer was killed) was not learnt from.

    Raises:
        ValueError: A line other than the last of its process is damaged.
    """
    lines = text.split("\n")
    whole = [line for line in lines[:-1] if line]
    return [_consumed(json.loads(line)) for line in whole]


def _consumed(data: Mapping[str, Any]) -> Consumed:
    return Consumed(
        mode=data["mode"],
        epoch=data["epoch"],
        iteration=data["iteration"],
        position=data["position"],
        samples=tuple(data["samples"]),
        rate=data["rate"],
        process=f"{data['pid']}@{data['since']}",
        wall=data["wall"],
    )


def trained(lines: Iterable[Consumed]) -> list[Consumed]:
    """The iterations of training alone."""
    return [line for line in lines if line.mode == "train"]


def order(lines: Iterable[Consumed]) -> list[Sample]:
    """Every sample that was trained on, in the order in which it was."""
    return [sample for line in trained(lines) for sample in line.samples]


def by_epoch(lines: Iterable[Consumed]) -> dict[int, Counter[Sample]]:
    """How often each sample was trained on in each epoch."""
    epochs: dict[int, Counter[Sample]] = {}
    for line in trained(lines):
        epochs.setdefault(line.epoch, Counter()).update(line.samples)
    return epochs


def passes(lines: Iterable[Consumed], length: int) -> list[Counter[Sample]]:
    """The passes over ``length`` samples of a training that counts iterations, the whole ones."""
    samples = order(lines)
    whole = len(samples) // length
    return [Counter(samples[n * length : (n + 1) * length]) for n in range(whole)]


def wrong(lines: Iterable[Consumed], expected: Counter[Sample], epochs: int) -> list[str]:
    """What is lost or doubled, in words; empty where every epoch holds what it must.

    Args:
        expected: How often each sample is due in an epoch.
        epochs: Epochs that must be whole.
    """
    seen = by_epoch(lines)
    complaints = []
    for epoch in range(max([epochs, *(number + 1 for number in seen)])):
        had = seen.get(epoch, Counter())
        lost, doubled = expected - had, had - expected
        if epoch < epochs and lost:
            complaints.append(f"epoch {epoch}: lost {_some(lost)}")
        if doubled:
            complaints.append(f"epoch {epoch}: doubled {_some(doubled)}")
    return complaints


def _some(samples: Counter[Sample]) -> str:
    shown = ", ".join(map(str, sorted(samples.elements(), key=str)[:8]))
    return f"{samples.total()} ({shown}{', ...' if samples.total() > 8 else ''})"


def processes(lines: Iterable[Consumed]) -> list[str]:
    """The processes that learnt, in their order."""
    return list(dict.fromkeys(line.process for line in trained(lines)))


def effective(lines: Sequence[Consumed]) -> list[Consumed]:
    """What the model has learnt from: without what a later process began again before."""
    kept: list[Consumed] = []
    for line in trained(lines):
        if kept and line.process != kept[-1].process:
            start = (line.epoch, line.position)
            kept = [earlier for earlier in kept if (earlier.epoch, earlier.position) < start]
        kept.append(line)
    return kept


def relearnt(lines: Sequence[Consumed]) -> int:
    """Iterations whose learning was lost: learnt, and taken back by a later process."""
    return len(trained(lines)) - len(effective(lines))


def rates(lines: Iterable[Consumed]) -> list[tuple[int, float]]:
    """(samples seen before, learning rate) of every iteration."""
    curve, seen = [], 0
    for line in trained(lines):
        curve.append((seen, line.rate))
        seen += len(line.samples)
    return curve


def farthest_rate(lines: Iterable[Consumed], undisturbed: Iterable[Consumed]) -> float:
    """The greatest relative deviation of the learning rate, at the same number of samples seen.

    Smaller batches lie between two points of the undisturbed curve: on the step that begins at the
    first of them, or on the line between both, as schedules are stretched.
    """
    curve = rates(undisturbed)
    return max(_deviation(rate, seen, curve) for seen, rate in rates(lines))


def _deviation(rate: float, seen: int, curve: Sequence[tuple[int, float]]) -> float:
    after = bisect_right(curve, (seen, math.inf))
    left, step = curve[after - 1]
    right, following = curve[min(after, len(curve) - 1)]
    line = step
    if right > left:
        line += (following - step) * (seen - left) / (right - left)
    return min(abs(rate / step - 1.0), abs(rate / line - 1.0))
