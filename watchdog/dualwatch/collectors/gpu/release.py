"""Whether an ended training has let go of its GPU memory: a rerun before that runs out of it.

The driver gives memory back some moments after the process is gone. Where it does not say whose
the memory is (containers), the amount tells: it falls back to what it was before.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from dualwatch.collectors.gpu.nvml import NvmlSampler
from dualwatch.core import clock, units
from dualwatch.events import GpuHolder, GpuSample, GpusSampled, NotObserved

PATIENCE_S = 10.0
STEP_S = 0.25

SLACK = 64 << 20
"""Bytes that a device may hold more than before the training: the driver's own, a desktop's."""


class MemoryHolder(enum.Enum):
    """What became of the training's memory."""

    RELEASED = "released"
    HELD = "held"
    NOT_OBSERVABLE = "not observable"


@dataclass(frozen=True, slots=True)
class ReleaseWait:
    """How the wait ended.

    Attributes:
        text: In words, for a decision's reason.
        holders: Processes of the training that still hold memory.
        outside: Processes that are not the training's and hold memory, the greatest first: what
            DW402 is about.
        sample: The last look, None where there was none.
    """

    state: MemoryHolder
    text: str
    holders: tuple[GpuHolder, ...] = ()
    outside: tuple[GpuHolder, ...] = ()
    sample: GpusSampled | None = None


def wait(
    gpus: NvmlSampler,
    tree: Collection[int],
    before: GpusSampled | None = None,
    *,
    patience: float = PATIENCE_S,
    hurry: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
) -> ReleaseWait:
    """Waits until no process of an ended tree holds memory of a device.

    Args:
        gpus: The reader.
        tree: Pids that the training had.
        before: The devices before the training was started, None if nobody looked.
        patience: Seconds after which the wait is given up.
        hurry: Asked between two looks; true ends the wait.
        sleep: Sleeps between two looks; may return early.
    """
    deadline = time.monotonic() + patience
    while True:
        answer = gpus.sample(set(tree), *clock.now())
        release = judged(answer, before)
        if release.state is not MemoryHolder.HELD or hurry() or time.monotonic() >= deadline:
            return release
        sleep(STEP_S)


def judged(answer: GpusSampled | NotObserved, before: GpusSampled | None) -> ReleaseWait:
    """What one look says of the training's memory."""
    if isinstance(answer, NotObserved):
        return ReleaseWait(
            MemoryHolder.NOT_OBSERVABLE, f"GPU memory cannot be observed: {answer.why}"
        )
    ours = _merged(h for gpu in answer.gpus for h in gpu.holders if h.ours)
    outside = _merged(h for gpu in answer.gpus for h in gpu.holders if not h.ours)
    if ours:
        text = f"GPU memory is still held by {_named(ours)} of the ended training"
        return ReleaseWait(MemoryHolder.HELD, text, ours, outside, answer)
    earlier = {gpu.index: gpu for gpu in before.gpus} if before is not None else {}
    unknown: list[str] = []
    for gpu in answer.gpus:
        if gpu.tree is not None:
            continue  # The driver tells whose memory it is, and none is ours.
        more = _more(gpu, earlier.get(gpu.index))
        if more is None:
            unknown.append(f"GPU {gpu.index} ({gpu.name}) does not say who holds its memory")
        elif more > SLACK:
            text = f"GPU {gpu.index} holds {units.size(more)} more than before the training started"
            return ReleaseWait(MemoryHolder.HELD, text, (), outside, answer)
    if unknown:
        text = "; ".join(unknown)
        return ReleaseWait(MemoryHolder.NOT_OBSERVABLE, text, (), outside, answer)
    text = "GPU memory is released"
    if outside:
        text += f"; processes outside of the training hold some: {_named(outside)}"
    return ReleaseWait(MemoryHolder.RELEASED, text, (), outside, answer)


def _more(gpu: GpuSample, earlier: GpuSample | None) -> int | None:
    """Bytes that are used now and were not before, None where that is not known."""
    if earlier is None or gpu.used is None or earlier.used is None:
        return None
    return gpu.used - earlier.used


def _merged(holders: Iterable[GpuHolder]) -> tuple[GpuHolder, ...]:
    """One entry a process, with its memory on all devices; the greatest first."""
    found: dict[int, GpuHolder] = {}
    for one in holders:
        known = found.get(one.pid)
        used = one.used
        if known is not None and known.used is not None:
            used = known.used + (used or 0)
        found[one.pid] = GpuHolder(pid=one.pid, used=used, name=one.name, ours=one.ours)
    return tuple(sorted(found.values(), key=lambda one: -(one.used or 0)))


def _named(holders: Collection[GpuHolder]) -> str:
    return ", ".join(
        f"pid {one.pid}" + (f" ({units.size(one.used)})" if one.used is not None else "")
        for one in holders
    )
