"""Iteration time before a stall and after it was resolved in place: with fresh workers.

One training that waits for its data (a step of 150 ms, four samples of 60 ms a batch, two workers)
hangs in three ways: a lock that is held in every fork, a deadlock in one batch of 400 however the
workers are started, and a cycle of two locks between the two workers. The times are those between
two lines of the training's logbook.

Bars: 1.15 times as long as before for the first two; a cycle leaves one worker, so no longer than
without workers. Every sample of every epoch is used once, in its order.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

from dualwatch.events import Decided, WorkersChanged
from dualwatch.protocol.workers import WorkersStep

from benchmarks.measure import machine, say, table
from tests.training.recovery import accounting
from tests.training.recovery.accounting import Consumed
from tests.training.recovery.scene import Scene, SceneError, Settings, nested

BATCH = 4
STEP_S, SAMPLE_S = 0.15, 0.06
HANGS_AT = 80
"""Batches before the first stall."""
SETTLED = 10
"""Iterations after the start, or after fresh workers took over, that are not typical."""
AT_MOST = 1.15

WAYS: dict[str, tuple[int, dict[str, Any]]] = {
    "one batch in 400": (700, {"rare": {"at": BATCH * HANGS_AT, "every": BATCH * 400}}),
    "in every fork": (300, {"held at fork": {"at": BATCH * HANGS_AT}}),
    "cycle": (300, {"cycle": {"at": BATCH * HANGS_AT}}),
}
"""Iterations and fault of each; the first stall is after ``HANGS_AT``."""

CYCLE = "cycle"


@dataclass(frozen=True, slots=True)
class Speed:
    """One run; seconds of an iteration.

    Attributes:
        before, after: Usual ones before the first stall, and with fresh workers.
        without: Without workers, as the agent measured it.
        all_after: Mean of all from the first replacement to the end, relapses included.
        relapses: Times that fresh workers hung.
        wrong: What is lost, doubled or out of order.
    """

    before: float
    after: float
    without: float
    all_after: float
    relapses: int
    wrong: tuple[str, ...]


def compare(names: Sequence[str] = tuple(WAYS)) -> int:
    """Runs each once and prints the table and the bars."""
    folder = Path(tempfile.mkdtemp(prefix="dualwatch-speed-"))
    results: dict[str, Speed] = {}
    try:
        for number, name in enumerate(names):
            scene = Scene(folder / f"run-{number}", stall_timeout=20.0, settings=settings(name))
            try:
                results[name] = measured(scene, WAYS[name][0])
            finally:
                scene.clean_up()
            say(f"{name}: {results[name]}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{machine()}; one run of each; {BATCH} samples of {SAMPLE_S} s, step {STEP_S} s\n")
    headers = ("deadlock", "before", "without workers", "with fresh workers", "/ before")
    headers += ("mean of all after", "relapses", "samples")
    print(table(headers, [_row(name, speed) for name, speed in results.items()]))
    kept = bars(results)
    print("\n" + "\n".join(f"- {text}" for text, _ in kept))
    return 0 if all(good for _, good in kept) else 1


def settings(name: str) -> Settings:
    """The training and its fault."""
    iterations, faults = WAYS[name]
    return nested(
        {
            "model.pause": STEP_S,
            "train_cfg.max_epochs": 1,
            "train_dataloader.sampler.shuffle": False,
            "train_dataloader.dataset.length": BATCH * iterations,
            "train_dataloader.dataset.load": SAMPLE_S,
            "train_dataloader.dataset.faults": faults,
        }
    )


def measured(scene: Scene, iterations: int) -> Speed:
    """The speed of one supervised run."""
    scene.deadline = 900.0
    code = scene.train()
    if code != 0:
        raise SceneError(f"exit code {code}: {scene.last_words()}")
    lines = accounting.trained(scene.consumed)
    steps = scene.of(WorkersChanged)
    first = next(event.wall for event in scene.of(Decided) if event.action == "replace")
    took_over = [step for step in steps if step.step == WorkersStep.TAKEN_OVER]
    if not took_over:
        raise SceneError(f"no fresh workers: {steps}")
    without = next(step.without_s for step in took_over if step.without_s is not None)
    newest = took_over[-1].iteration
    complaints = accounting.wrong(lines, Counter(range(BATCH * iterations)), epochs=1)
    if accounting.order(lines) != list(range(BATCH * iterations)):
        complaints.append("another order")
    return Speed(
        before=median(_times(lines[SETTLED:HANGS_AT])),
        after=median(_times(lines[newest + SETTLED :])),
        without=without,
        all_after=mean(_times([line for line in lines if line.wall > first])),
        relapses=sum(step.step == WorkersStep.RELAPSED for step in steps),
        wrong=tuple(complaints),
    )


def bars(results: dict[str, Speed]) -> list[tuple[str, bool]]:
    """Each bar in words, and whether it is kept."""
    kept = []
    for name, speed in results.items():
        if name == CYCLE:
            text = f"{name}: {speed.after:.3f} s (at most {speed.without:.3f} s, without workers)"
            kept.append((text, speed.after <= speed.without))
        else:
            ratio = speed.after / speed.before
            text = f"{name}: {ratio:.3f} times as long as before (at most {AT_MOST})"
            kept.append((text, ratio <= AT_MOST))
        samples = "; ".join(speed.wrong) or "each used once, in order"
        kept.append((f"{name}: samples: {samples}", not speed.wrong))
    return kept


def _times(lines: Sequence[Consumed]) -> list[float]:
    walls = [line.wall for line in lines]
    return [after - before for before, after in pairwise(walls)]


def _row(name: str, speed: Speed) -> list[str]:
    return [
        name,
        f"{speed.before:.3f} s",
        f"{speed.without:.3f} s",
        f"{speed.after:.3f} s",
        f"{speed.after / speed.before:.3f}",
        f"{speed.all_after:.3f} s",
        str(speed.relapses),
        "; ".join(speed.wrong) or "all, in order",
    ]
