"""One event file of TensorBoard as the events of a training. Each number has its time.

TensorBoard knows no epochs and no modes. A tag of a validation is known by its folder, ``val/`` or
that of a metric (``coco/bbox_mAP``); tags that are written together at one step are one line.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

from dualwatch.core.metric_names import without_mode
from dualwatch.events import EvaluationLogged, Event, IterationLogged
from dualwatch.tensorboard import records
from dualwatch.tensorboard.reader import event_file

_TRAIN = ("train/", "loss", "lr", "grad_norm", "learning_rate")
_COUNTERS = ("epoch", "iter", "step")


def is_event_file(path: Path) -> bool:
    """Whether it is an event file of a training, by its name."""
    return "tfevents" in path.name and not records.is_own(path.name)


def read(path: Path, newest: int) -> list[Event]:
    """The events of a file, in the order in which they were written.

    Args:
        newest: So many training lines are given, the newest; and every evaluation.

    Raises:
        OSError: It cannot be read.
    """
    path.stat()
    lines: deque[tuple[int, Event]] = deque(maxlen=newest)
    others: list[tuple[int, Event]] = []
    number = 0

    def close(step: int, wall: float, found: dict[str, float]) -> None:
        nonlocal number
        if not found:
            return
        number += 1
        event = _event(step, wall, found)
        (lines if isinstance(event, IterationLogged) else others).append((number, event))

    step, wall, found = 0, 0.0, dict[str, float]()
    for record in event_file(path):
        again = any(tag in found for tag in record.scalars)
        if record.scalars and (record.step != step or again):
            close(step, wall, found)
            found = {}
        if record.scalars:
            step, wall = record.step, record.wall
            found |= record.scalars
    close(step, wall, found)
    return [event for _, event in sorted([*lines, *others], key=lambda one: one[0])]


def _event(step: int, wall: float, found: dict[str, float]) -> Event:
    epoch = found.get("epoch", found.get("train/epoch"))
    numbers = {tag: value for tag, value in found.items() if tag.split("/")[-1] not in _COUNTERS}
    if any(tag.startswith(_TRAIN) for tag in numbers):
        return IterationLogged(
            at=0.0,
            wall=wall,
            mode="train",
            epoch=int(epoch) if epoch is not None and 0 <= epoch < 1e9 else None,
            iteration=step,
            total=None,
            metrics={without_mode(tag, "train"): value for tag, value in numbers.items()},
        )
    mode = "test" if any(tag.startswith("test/") for tag in numbers) else "val"
    return EvaluationLogged(
        at=0.0,
        wall=wall,
        mode=mode,
        epoch=None,
        iteration=step,
        total=None,
        metrics={without_mode(tag, mode): value for tag, value in numbers.items()},
    )
