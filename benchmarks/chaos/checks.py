"""What must hold after a round, whatever was done to the training."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from dualwatch.events import AttemptStarted, Event, HeartbeatRead, journal

from benchmarks.chaos.faults import EPOCHS, LENGTH, Played
from tests.training.recovery import accounting
from tests.training.recovery.scene import Scene

CODES = {
    "completed": (0,),
    "completed-with-findings": (1,),
    "gave-up": (4,),
    "failed": (5,),
    "interrupted": (130, 143),
}
PATIENCE = 15.0
"""Seconds in which processes that were told to end must be gone."""

DUE: Counter[accounting.Sample] = Counter(range(LENGTH))


def violations(scene: Scene, played: Played) -> list[str]:
    """Everything that is not as it must be, in words."""
    return [
        *_orphans(scene),
        *_journals(scene, played),
        *_checkpoints(scene, played),
        *_samples(scene, played),
        *_summary(scene, played),
    ]


def _orphans(scene: Scene) -> list[str]:
    end = time.monotonic() + PATIENCE
    while (left := scene.left_alive()) and time.monotonic() < end:
        time.sleep(0.1)
    return [f"orphan: pid {process.pid}" for process in left]


def _journals(scene: Scene, played: Played) -> list[str]:
    found, cut = [], 0
    for path in _all_journals(scene):
        lines = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines[:-1], 1):
            if line and not _is_whole(line):
                cut += 1
                found.append(f"{path.name}: line {number} is damaged")
        if lines[-1]:
            cut += 1
            found.append(f"{path.name}: its last line is cut")
    return [] if played.full or cut <= played.cut else found


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _all_journals(scene: Scene) -> list[Path]:
    return sorted(scene.own.rglob("journal.jsonl"))


def _checkpoints(scene: Scene, played: Played) -> list[str]:
    """What was resumed from loads; what was damaged taught nothing."""
    found = []
    for path in _all_journals(scene):
        taken: Path | None = None
        for event in journal.read(path):
            if isinstance(event, AttemptStarted):
                taken = Path(event.resumed_from) if event.resumed_from else None
                if taken is not None and taken.exists() and taken not in played.damaged:
                    found += _faults_of(taken)
            elif taken in played.damaged and _learns(event):
                found.append(f"trained on from {taken}, which is damaged")
                taken = None
    return found


def _learns(event: Event) -> bool:
    return isinstance(event, HeartbeatRead) and 0 <= event.begun < event.iteration


def _faults_of(path: Path) -> list[str]:
    import torch

    try:
        torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        return [f"resumed from {path.name}, which does not load: {type(error).__name__}"]
    return []


def _samples(scene: Scene, played: Played) -> list[str]:
    lines = scene.consumed
    if not played.whole:
        lines = accounting.effective(lines)
    epochs = EPOCHS if played.completes else 0
    return accounting.wrong(lines, DUE, epochs=epochs)


def _summary(scene: Scene, played: Played) -> list[str]:
    try:
        summary: dict[str, Any] = scene.summary
    except (OSError, ValueError) as error:
        return [f"summary.json cannot be read: {error}"]
    outcome, code = summary["outcome"], summary["exit_code"]
    found = []
    if code not in CODES.get(str(outcome), ()):
        found.append(f"outcome {outcome} with exit code {code}")
    if played.codes and played.codes[-1] != code:
        found.append(f"it exited with {played.codes[-1]}, its summary says {code}")
    if played.completes and outcome != "completed":
        found.append(f"outcome {outcome} where it could be completed")
    if not summary["attempts"]:
        found.append("no attempt in its summary")
    return found
